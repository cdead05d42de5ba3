"""Launchers: ways to start a training, as a process of this machine or in a container."""
