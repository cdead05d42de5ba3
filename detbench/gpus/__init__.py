"""The GPUs of this machine, the catalogue of GPU profiles, and the counters of their chips."""
