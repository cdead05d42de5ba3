"""Whether a mode can run here, by the doctor's checks and the launcher."""

from __future__ import annotations

from typing import NamedTuple

from detbench.errors import MissingError
from detbench.gpus import discovery
from detbench.launch.base import Launcher
from detbench.launch.container import ContainerLauncher
from detbench.launch.local import LocalLauncher
from detbench.records import store
from detbench.records.modes import resolve_mode
from detbench.records.spec import Window
from detbench.running import doctor
from detbench.running.attach import attach
from detbench.running.doctor import Check
from detbench.running.place import Door
from detbench.running.switched import DEFAULT
from detbench.suite import load_family


class Examination(NamedTuple):
    """The checks made for a mode, and what a run lacks; nothing if it can begin."""

    mode: str
    checks: list[Check]
    lacks: list[str]


def examine(family: str, mode: str, launcher: Door) -> Examination:
    """Whether a mode of a family can run here, as a process of this machine or in a container.

    Raises:
        UsageError: there is no such family or mode.
    """
    wanted, loaded, root = resolve_mode(mode), load_family(family), store.default_root()
    gpu, why_none = discovery.chosen()
    packages = doctor.of_family(loaded)
    checks = [*doctor.of_engine(), *packages, *doctor.of_machine(root)]
    here: Launcher = LocalLauncher()
    if launcher == "docker":
        here = ContainerLauncher(family, root, gpus=(gpu.uuid,) if gpu else (), counters=True)
    attachment = attach(wanted, gpu, 1, Window(start=0, count=1))
    try:
        lacks = [lack.what for lack in doctor.lacks(wanted, attachment, here, gpu, why_none)]
    except MissingError as error:
        lacks = [f"a container to look into ({error.message})"]
    if launcher == "local":
        lacks += _missing(packages)
    return Examination(wanted.name, checks, lacks)


def examine_machine(family: str) -> Examination:
    """The checks of this machine for a family, and its missing required packages.

    Raises:
        UsageError: there is no such family.
    """
    checks = doctor.of_family(load_family(family)) + doctor.of_machine(store.default_root())
    return Examination(DEFAULT, checks, _missing(checks))


def _missing(checks: list[Check]) -> list[str]:
    return [check.what for check in checks if check.required and check.state == doctor.MISSING]
