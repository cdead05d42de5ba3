"""The code of the training process; `python -m detbench.training` starts it."""
