"""Find which batch sizes of which models train here, with few runs; shareable and resumable."""
