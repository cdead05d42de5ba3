"""Chooses the reader of a memory file by its content, not its name."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from detbench.readers import memory_curve, tbd_memory
from detbench.readers.memory_csv import read_memory_csv
from detbench.readers.memory_snapshot import read_snapshot
from detbench.readers.memory_timeline import is_memory_timeline, read_memory_timeline
from detbench.readers.snapshot_pickle import is_snapshot
from detbench.readers.text import encoding_of, read_head

_HEAD = 256


def read_memory_tables(path: Path) -> dict[str, pd.DataFrame]:
    """Read what a memory file holds: `parts`, of an allocator's snapshot `allocator` and `events`.

    Raises:
        BadFileError: its format is unknown, or it is damaged.
    """
    if is_snapshot(read_head(path, _HEAD)):
        return read_snapshot(path)._asdict()
    return {"parts": read_memory(path)}


def read_memory(path: Path) -> pd.DataFrame:
    """Read snapshots of memory, as rows of `memory_csv.SCHEMA`.

    Raises:
        BadFileError: its format is unknown, or it is damaged.
    """
    head = read_head(path, _HEAD)
    if is_memory_timeline(head):
        return read_memory_timeline(path)
    text = head.decode(encoding_of(head), "replace")
    if text.startswith(tbd_memory.HEADER):
        return tbd_memory.read_tbd_memory(path)
    if memory_curve.is_memory_curve(text):
        return memory_curve.peaks_of(memory_curve.read_memory_curve(path))
    return read_memory_csv(path)
