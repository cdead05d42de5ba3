"""Leftovers of dead runs: containers that nobody waits for, and folders without a record."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from detbench.errors import MissingError
from detbench.launch.docker import engine, leftovers, remove
from detbench.records import store


class Leftover(NamedTuple):
    """A container or folder that was left behind.

    Attributes:
        what: its kind and name.
        kept: why it stays; empty if it is removed.
    """

    what: str
    kept: str = ""


class Cleaned(NamedTuple):
    """The leftovers, and why containers could not be listed, if they could not."""

    found: list[Leftover]
    why_no_containers: str


def clean(root: Path, *, dry_run: bool) -> Cleaned:
    """Remove what was left behind, except folders with a measurement; `dry_run` removes nothing."""
    found, why = [], ""
    try:
        with engine() as client:
            for container in leftovers(client):
                found.append(Leftover(f"container {container.name} ({container.status})"))
                if not dry_run:
                    remove(container)
    except MissingError as error:
        why = str(error)
    for folder in store.abandoned(root):
        if held := store.measurements_in(folder, but_logs=True):
            found.append(Leftover(str(folder), f"it holds {held[0].path}"))
            continue
        found.append(Leftover(str(folder)))
        if not dry_run:
            store.discard(folder)
    return Cleaned(found, why)
