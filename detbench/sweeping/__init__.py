"""Which batch sizes of which models train here: found with few runs, shared, and resumable."""
