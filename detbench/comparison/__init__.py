"""Tells whether one set of runs is faster than another, why, and which figures not to trust."""
