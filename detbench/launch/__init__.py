"""The launchers of a training: a process of this machine, or a container."""
