"""What runs inside the training process; `python -m detbench.training` starts it."""
