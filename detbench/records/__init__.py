"""The spec of a run, its record, and where both are kept."""
