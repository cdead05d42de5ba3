"""The mode that `switch.sh` chose, kept beside a family's scripts until it is changed."""

from __future__ import annotations

import os
from pathlib import Path

from detbench.checkout import checkout
from detbench.errors import BadFileError, MissingError, UsageError
from detbench.records.modes import MODES, Mode, resolve_mode
from detbench.suite import load_family

_FILE = ".mode"
DEFAULT = "noprofile"
MODE_VARIABLE = "DETBENCH_MODE"
"""Tells a container the mode of the checkout from which it was started."""


def _path(family: str) -> Path:
    load_family(family)  # checks that the family exists
    root = checkout()
    if root is None:
        raise MissingError(
            "a switched mode belongs to a checkout, and detbench is installed without one",
            "name the mode: --mode, or clone the repository",
        )
    return root / "benchmarks" / family / _FILE


def switch(family: str, mode: Mode) -> Path:
    """Store `mode` for `family`; returns the file that holds it.

    Raises:
        MissingError: there is no checkout, or the file cannot be written.
    """
    path = _path(family)
    try:
        path.write_text(mode.name + "\n", encoding="utf-8")
    except OSError as error:
        raise MissingError(
            f"{path} cannot be written: {error.strerror}", "make the folder yours"
        ) from error
    return path


def switched(family: str) -> Mode:
    """The mode chosen last for `family`, or `noprofile`.

    Raises:
        BadFileError: the file that stores it names no mode.
    """
    path = _path(family)
    if not path.exists():
        return resolve_mode(os.environ.get(MODE_VARIABLE, DEFAULT))
    name = path.read_text(encoding="utf-8").strip()
    if name not in MODES:
        raise BadFileError(path, f"'{name}' is not a mode", "bash switch.sh noprofile")
    return resolve_mode(name)


def require_noprofile(family: str) -> None:
    """Refuse to measure accuracy or speed if `family` is switched to a mode that slows it.

    Without a checkout no mode can be switched, and nothing is refused.

    Raises:
        UsageError: the family is switched to a mode other than noprofile.
    """
    if checkout() is not None and (mode := switched(family)).name != "noprofile":
        raise UsageError(
            f"{family} is switched to {mode.name}, and training to accuracy is done in noprofile",
            "bash switch.sh noprofile",
        )


def profiling_mode(family: str, named: str | None = None) -> Mode:
    """The switched mode of `family`; it has to be a profiling mode, and the named one, if any.

    Raises:
        UsageError: it is another mode, or noprofile.
    """
    mode = switched(family)
    if named is not None and resolve_mode(named) != mode:
        raise UsageError(
            f"{family} is switched to {mode.name}, not to {named}", f"bash switch.sh {named}"
        )
    if mode.name == "noprofile":
        raise UsageError(f"{family} is switched to noprofile", "bash switch.sh torch, for example")
    return mode
