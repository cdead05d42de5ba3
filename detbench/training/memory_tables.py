"""Writes the results of the memory tracker: the tidy CSV, and the timeline beside it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from detbench.readers import memory_csv, memory_curve
from detbench.training.device_memory import DeviceMemory
from detbench.training.memory_ledger import Key, Moment


def write_parts(path: Path, peaks: Mapping[tuple[int, str], Mapping[Key, int]]) -> None:
    """Write the parts of every iteration's phases, each with its total."""
    rows: list[tuple[Any, ...]] = []
    for (iteration, phase), parts in peaks.items():
        rows += [(iteration, phase, *key, size) for key, size in sorted(parts.items())]
        rows.append((iteration, phase, memory_csv.TOTAL, "", sum(parts.values())))
    _write(path, (column.name for column in memory_csv.SCHEMA.columns), rows)


def write_timeline(path: Path, moments: Sequence[Moment], memory: DeviceMemory) -> None:
    """Write the timeline of the memory CSV at `path`."""
    levels = [name for name, _ in memory.levels]
    rows = []
    for moment in moments:
        total = moment.reading[-1]
        rows.append(
            (
                moment.iteration,
                moment.phase,
                moment.time,
                moment.changes,
                *moment.categories.values(),
                total - moment.tracked,
                total,
                *moment.reading,
            )
        )
    _write(memory_curve.beside(path), memory_curve.columns(levels), rows)


def _write(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{path.name}")
    with part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
    part.rename(path)
