"""Finds the run of a memory CSV: by `run.json` beside it or one folder up, or by its name."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_FOREIGN = (
    OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError, ZeroDivisionError,
)  # fmt: skip
_NAME = re.compile(r"(?:memory|timeline)_bs(\d{1,6})\.csv")


class MemoryRun(NamedTuple):
    """The model, and the batch size of one process; None if unknown."""

    model: str | None
    batch_size: int | None


def read_memory_run(file: Path) -> MemoryRun:
    """The run of `file`. A `run.json` from another program is ignored, not an error.

    `results/memory_csv_data/memory_bs4.csv` is a link into the run's folder.
    """
    file = file.resolve()
    for folder in (file.parent, file.parent.parent):
        with suppress(*_FOREIGN):
            spec = json.loads((folder / "run.json").read_text(encoding="utf-8"))["spec"]
            processes = spec.get("num_processes", 1) * spec.get("nodes", {}).get("count", 1)
            return MemoryRun(str(spec["model"]), int(spec["batch_size"]) // processes)
    named = _NAME.fullmatch(file.name)
    return MemoryRun(None, int(named[1]) or None if named else None)
