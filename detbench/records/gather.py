"""Collects the runs in the folders that a user names: results folders, or single runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from detbench.errors import BadFileError, MissingError, UsageError
from detbench.records.spec import RunRecord
from detbench.records.store import RECORD, Run, default_root, read_record


class Gathered(NamedTuple):
    """Runs without duplicates, oldest first, and a line for each record that cannot be read."""

    runs: list[Run]
    unreadable: list[str]


def gather(folders: Sequence[Path] = ()) -> Gathered:
    """The runs in these folders, or in the default results folder if none is named.

    Raises:
        UsageError: a folder does not exist.
        MissingError: there is no run in any of them.
    """
    roots = folders or (default_root(),)
    found: dict[Path, RunRecord] = {}
    unreadable = []
    for root in roots:
        if not root.is_dir():
            raise UsageError(f"{root} is not a folder", "name a results folder, or a run's")
        files = [root / RECORD, *root.glob(f"[!.]*/{RECORD}"), *root.glob(f"*/[!.]*/{RECORD}")]
        for file in files:
            folder = file.parent.resolve()
            if not file.is_file() or folder in found:
                continue
            try:
                found[folder] = read_record(file)
            except BadFileError as error:
                unreadable.append(str(error))
    if not found and not unreadable:
        raise MissingError(
            f"no run in {', '.join(str(root) for root in roots)}",
            "detbench run FAMILY makes one, or bash scripts/quickstart.sh",
        )
    runs = [Run(folder, record) for folder, record in found.items()]
    runs.sort(key=lambda run: (run.record.started, str(run.folder)))
    return Gathered(runs, unreadable)
