"""What a training says of itself: detectron2's `metrics.json` and `log.txt`.

Both report the median time of the last 20 iterations, every 20 iterations. A restart makes the
iteration go backwards; the later report of an iteration counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.schema import Column, Schema
from detbench.readers.text import open_text

REPORTS = Schema(
    (
        Column("iteration", "int64", "counted from 0"),
        Column("time (s)", "float64", "an iteration's, data included; median of the last 20"),
        Column("data wait (s)", "float64", "of it, waiting for data; NaN where not reported"),
    )
)

_ITERATION = re.compile(r"\biter: (\d+)\b.*?\btime: ([\d.]+)(?:.*?\bdata_time: ([\d.]+))?")
_BATCH_SIZE = re.compile(r"\bIMS_PER_BATCH: (\d+)")
_AP_TASK = re.compile(r"copypaste: Task: (\w+)")
_AP_NAMES = re.compile(r"copypaste: (AP[\w,\- ]*)$")
_AP_VALUES = re.compile(r"copypaste: ([\d.,nan\-]+)$")
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_TASKS = {"bbox": "box", "segm": "mask"}
_ACCURACY = ("AP", "AP50", "AP75")


@dataclass(frozen=True)
class TrainingLog:
    """A training's reports.

    Attributes:
        reports: rows as `REPORTS` says, by iteration, without duplicates.
        batch_size: images an iteration, where the log names it.
        accuracy: the last evaluation, such as `box AP`, in percent.
        num_restarts: how often the iteration went backwards.
    """

    reports: pd.DataFrame
    batch_size: int | None
    accuracy: dict[str, float]
    num_restarts: int


def read_training_log(path: Path) -> TrainingLog:
    """Read a `metrics.json` or a `log.txt`, whichever the content is.

    Raises:
        BadFileError: it is neither, or reports no iteration's time.
    """
    with open_text(path) as stream:
        is_json = stream.read(1) == "{"
        stream.seek(0)
        found = _from_metrics(path, stream) if is_json else _from_log(stream)
    rows, batch_size, accuracy = found
    if not rows:
        raise BadFileError(
            path, "no iteration's time in it: not a training log of detectron2 or detbench"
        )
    restarts = sum(b[0] < a[0] for a, b in pairwise(rows))
    latest = {row[0]: row for row in rows}
    ordered = [latest[iteration] for iteration in sorted(latest)]
    columns = dict(zip((c.name for c in REPORTS.columns), zip(*ordered, strict=True), strict=True))
    return TrainingLog(REPORTS.table(columns), batch_size, accuracy, restarts)


_Found = tuple[list[tuple[int, float, float]], int | None, dict[str, float]]


def _from_metrics(path: Path, lines: Iterator[str]) -> _Found:
    rows: list[tuple[int, float, float]] = []
    accuracy: dict[str, float] = {}
    pending = ""
    for number, line in enumerate(lines, 1):
        if pending:  # only the last line may be damaged: a killed training cuts it
            raise BadFileError(path, pending, "copy the file again", place=f"line {number - 1}")
        if not line.strip():
            continue
        try:
            entry: dict[str, Any] = orjson.loads(line)
            if "time" in entry:
                wait = entry.get("data_time", float("nan"))
                rows.append((int(entry["iteration"]), float(entry["time"]), float(wait)))
            accuracy |= {
                f"{_TASKS.get(task, task)} {metric}": float(value)
                for key, value in entry.items()
                if (task := key.partition("/")[0]) and (metric := key.partition("/")[2])
                if metric in _ACCURACY and value is not None
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            pending = f"not a line of metrics: {error}"
    return rows, None, accuracy


def _from_log(lines: Iterator[str]) -> _Found:
    rows: list[tuple[int, float, float]] = []
    batch_size: int | None = None
    accuracy: dict[str, float] = {}
    task, names = "", [""]
    for raw in lines:
        line = _COLOR.sub("", raw).rstrip()
        if found := _ITERATION.search(line):
            iteration, time, wait = found.groups()
            rows.append((int(iteration), float(time), float(wait or "nan")))
        elif found := _BATCH_SIZE.search(line):
            batch_size = int(found[1])
        elif found := _AP_TASK.search(line):
            task = _TASKS.get(found[1], found[1])
        elif found := _AP_NAMES.search(line):
            names = found[1].split(",")
        elif found := _AP_VALUES.search(line):
            pairs = zip(names, found[1].split(","), strict=False)
            accuracy |= {f"{task} {n}": float(v) for n, v in pairs if n in _ACCURACY}
    return rows, batch_size, accuracy
