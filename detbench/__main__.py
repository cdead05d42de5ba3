"""`python -m detbench` is the `detbench` command."""

from detbench.program import start

start()
