"""The doors a run can go through: a process of this machine, so far."""
