"""GPUs: those of this machine, the catalogue of their profiles, and the counters of their chips."""
