"""`python -m detbench` is the `detbench` command."""

from detbench.cli import main

main()
