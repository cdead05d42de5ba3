"""Starts the command line, also where the packages it needs are not installed."""

from __future__ import annotations

import sys

from detbench.errors import missing_package


def start(name: str | None = None) -> None:
    """Run `detbench`, or as a program of its own its parsing verb of this function's name."""
    try:
        from detbench import cli
    except ModuleNotFoundError as error:
        lack = missing_package(error)
        print(f"detbench: {lack}", file=sys.stderr)
        sys.exit(lack.exit_code)
    if name is None:
        cli.main()
    else:
        from detbench.cli import parse

        cli.run_command(getattr(parse, name))
