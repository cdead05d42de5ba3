"""The course of a run: it is planned, wrapped in its mode's profiler, launched and recorded."""
