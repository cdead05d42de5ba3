"""One module per file format: a path in, typed tables out. No printing, no torch."""
