"""`python -m detbench` is the `detbench` command."""

from detbench.cli.program import start

start()
