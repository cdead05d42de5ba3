"""The verbs about this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from detbench.cli.completion import of_modes
from detbench.cli.options import family_argument, format_option, print_table
from detbench.errors import MissingError

if TYPE_CHECKING:
    from detbench.running.place import Door


@click.command()
@family_argument()
@format_option()
def setup(family: str, style: str) -> None:
    """Check what this machine has for a FAMILY, and say how to get the rest. Fetches nothing.

    \b
    Example:
      detbench setup maskrcnn
    """
    from detbench.api import machine

    table = machine.setup_checks(family)
    print_table(table, style, f"{family} on this machine")
    if table.attrs["lacks"]:
        sys.exit(3)


@click.command()
@family_argument("maskrcnn")
@click.option(
    "--mode",
    default="noprofile",
    show_default=True,
    shell_complete=of_modes,
    help="Can this mode run here?",
)
@click.option(
    "--launcher",
    type=click.Choice(["local", "docker"]),
    default="local",
    show_default=True,
    help="As a process of this machine, or in a container of the family's image.",
)
@format_option()
def doctor(family: str, mode: str, launcher: Door, style: str) -> None:
    """Examine this machine for a FAMILY: engine, GPUs, profilers, permissions, limits, datasets.

    Ends with 0 if MODE can run here, and with 3 and what it lacks if it cannot.

    \b
    Example:
      detbench doctor maskrcnn --mode nsight --launcher docker
    """
    from detbench.api import machine

    table = machine.doctor(family, mode, launcher)
    print_table(table, style, f"{family} on this machine")
    if lacks := ", ".join(table.attrs["lacks"]):
        raise MissingError(
            f"mode {table.attrs['mode']} cannot run here: it lacks {lacks}",
            "each line above names the remedy",
        )
