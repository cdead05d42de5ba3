"""Which run a memory CSV belongs to: `run.json` beside it or a folder up, or its name."""

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
    """The model, and the images that one process trains on at once; None where nothing tells."""

    model: str | None
    batch_size: int | None


def read_memory_run(file: Path) -> MemoryRun:
    """What is known of the run; a `run.json` of another program tells nothing, and is no error.

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
