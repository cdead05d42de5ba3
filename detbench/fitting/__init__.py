"""Predicts whether a training fits a GPU's memory, from footprints measured on a CPU."""
