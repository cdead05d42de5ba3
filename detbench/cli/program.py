"""Starts the command line, also where the packages it needs are not installed."""

from __future__ import annotations

import sys

from detbench.errors import missing_package


def start(verb: str | None = None) -> None:
    """Run `detbench`, or as a program of its own one verb of it."""
    try:
        from detbench.cli import commands
    except ModuleNotFoundError as error:
        lack = missing_package(error)
        print(f"detbench: {lack}", file=sys.stderr)
        sys.exit(lack.exit_code)
    if verb is None:
        commands.main()
    else:
        commands.run_command(commands.command(verb))
