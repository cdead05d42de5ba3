"""The verbs about a family's Docker image and container."""

from __future__ import annotations

import click

from detbench.errors import MissingError

_NOT_YET = (
    "needs Docker, and this version of detbench brings no image yet",
    "set up this machine instead: bash scripts/quickstart.sh",
)


@click.command()
@click.argument("family")
def build(family: str) -> None:
    """Build the Docker image of a FAMILY."""
    raise MissingError(f"build {family}: {_NOT_YET[0]}", _NOT_YET[1])


@click.command()
@click.argument("family")
def shell(family: str) -> None:
    """Open a shell in the container of a FAMILY."""
    raise MissingError(f"shell {family}: {_NOT_YET[0]}", _NOT_YET[1])
