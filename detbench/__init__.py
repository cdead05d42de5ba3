"""Benchmark and profile the training of object detectors."""

__version__ = "0.1.0"
