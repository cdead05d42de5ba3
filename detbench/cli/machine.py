"""The verbs about this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from detbench.cli.completion import of_modes
from detbench.cli.options import family_argument, format_option, print_table
from detbench.errors import MissingError

if TYPE_CHECKING:
    from detbench.running.doctor import Check


@click.command()
@family_argument()
@format_option()
def setup(family: str, style: str) -> None:
    """Check what this machine has for a FAMILY, and say how to get the rest. Fetches nothing.

    \b
    Example:
      detbench setup maskrcnn
    """
    from detbench.records import store
    from detbench.running import doctor
    from detbench.suite import load_family

    checks = doctor.of_family(load_family(family)) + doctor.of_machine(store.default_root())
    _show(checks, style, f"{family} on this machine")
    if any(check.required and check.state == doctor.MISSING for check in checks):
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
def doctor(family: str, mode: str, launcher: str, style: str) -> None:
    """Examine this machine for a FAMILY: engine, GPUs, profilers, permissions, limits, datasets.

    Ends with 0 if MODE can run here, and with 3 and what it lacks if it cannot.

    \b
    Example:
      detbench doctor maskrcnn --mode nsight --launcher docker
    """
    from detbench.gpus import discovery
    from detbench.launch.base import Launcher
    from detbench.launch.container import ContainerLauncher
    from detbench.launch.local import LocalLauncher
    from detbench.records import store
    from detbench.records.modes import resolve_mode
    from detbench.records.spec import Window
    from detbench.running import doctor as examined
    from detbench.running.attach import attach
    from detbench.suite import load_family

    wanted, loaded, root = resolve_mode(mode), load_family(family), store.default_root()
    gpu, why_none = discovery.chosen()
    packages = examined.of_family(loaded)
    checks = [*examined.of_engine(), *packages, *examined.of_machine(root)]
    _show(checks, style, f"{family} on this machine")
    here: Launcher = LocalLauncher()
    if launcher == "docker":
        here = ContainerLauncher(family, root, gpus=(gpu.uuid,) if gpu else (), counters=True)
    attachment = attach(wanted, gpu, 1, Window(start=0, count=1))
    missing = [lack.what for lack in examined.lacks(wanted, attachment, here, gpu, why_none)]
    if launcher == "local":
        missing += [c.what for c in packages if c.required and c.state == examined.MISSING]
    if missing:
        raise MissingError(
            f"mode {wanted.name} cannot run here: it lacks {', and '.join(missing)}",
            "each line above names the remedy",
        )


def _show(checks: list[Check], style: str, title: str) -> None:
    import pandas as pd

    rows = [{"what": c.what, "state": c.state, "detail": c.detail} for c in checks]
    print_table(pd.DataFrame(rows), style, title)
