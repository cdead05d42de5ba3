"""What ended runs left behind: containers that nobody waits for, and folders without a record."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from detbench.errors import MissingError
from detbench.launch.docker import engine, leftovers, remove
from detbench.records import store


class Leftover(NamedTuple):
    """A thing that was left behind.

    Attributes:
        what: a container or a folder, by its name.
        kept: why it stays; empty for what goes.
    """

    what: str
    kept: str = ""


class Cleaned(NamedTuple):
    """What was left behind, and why no containers could be looked for, if so."""

    found: list[Leftover]
    why_no_containers: str


def clean(root: Path, *, dry_run: bool) -> Cleaned:
    """Remove what was left behind, but no folder with a measurement; with `dry_run` only look."""
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
