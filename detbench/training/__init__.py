"""The code that runs inside the training process, which `python -m detbench.training` starts."""
