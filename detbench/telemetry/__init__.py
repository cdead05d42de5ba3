"""Samples of GPUs, CPU, memory and disk beside a run, taken on the host."""
