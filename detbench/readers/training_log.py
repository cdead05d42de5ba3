"""What a training says of itself: detectron2's `metrics.json` and `log.txt`.

Both have a report every 20 iterations. In `metrics.json` it is the median iteration of the last
20. In `log.txt` `time` is the mean of all iterations since the process began, but for its first
two; what lies between two reports follows from their difference. A restart makes the iteration go
backwards; the later report of an iteration counts.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.schema import Column, Schema
from detbench.readers.text import open_text

REPORTS = Schema(
    (
        Column("iteration", "int64", "the last one reported on, counted from 0"),
        Column("iterations", "int64", "how many the report is about"),
        Column("since start", "int64", "iterations of this process until then"),
        Column("time (s)", "float64", "of those iterations together, data included"),
        Column("typical (s)", "float64", "one iteration: their median, or the last one"),
        Column("data wait (s)", "float64", "of the time; NaN where not reported"),
    )
)
_PERIOD = 20  # iterations between two reports: the default of detectron2's writers
_NOT_TIMED = 2  # at the start of a process: detectron2's IterationTimer leaves them out

_ITERATION = re.compile(r"\biter: (\d+)\b.*? time: ([\d.]+)")
_LAST_TIME = re.compile(r" last_time: ([\d.]+)")
_DATA_TIME = re.compile(r" data_time: ([\d.]+)")
_START = re.compile(r"Starting training from iteration (\d+)")
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
    restarts = sum(b.iteration < a.iteration for a, b in pairwise(rows))
    latest = {row.iteration: row for row in rows}
    ordered = [latest[iteration] for iteration in sorted(latest)]
    columns = dict(zip((c.name for c in REPORTS.columns), zip(*ordered, strict=True), strict=True))
    return TrainingLog(REPORTS.table(columns), batch_size, accuracy, restarts)


class _Report(NamedTuple):
    """A row of `REPORTS`."""

    iteration: int
    iterations: int
    since_start: int
    time: float
    typical: float
    data_wait: float


_Found = tuple[list[_Report], int | None, dict[str, float]]


def _from_metrics(path: Path, lines: Iterator[str]) -> _Found:
    rows: list[_Report] = []
    accuracy: dict[str, float] = {}
    pending = ""
    start = 0
    for number, line in enumerate(lines, 1):
        if pending:  # only the last line may be damaged: a killed training cuts it
            raise BadFileError(path, pending, "copy the file again", place=f"line {number - 1}")
        if not line.strip():
            continue
        try:
            entry: dict[str, Any] = json.loads(line)  # orjson refuses the NaN of an AP
            if "time" in entry:
                iteration, time = int(entry["iteration"]), float(entry["time"])
                wait = float(entry.get("data_time", "nan"))
                before = rows[-1].iteration if rows else -1
                if iteration <= before:
                    start = max(0, iteration + 1 - _PERIOD)
                    before = start - 1
                since = iteration + 1 - start
                num = min(_PERIOD, iteration - before)
                rows.append(_Report(iteration, num, since, num * time, time, num * wait))
            accuracy |= {
                f"{_TASKS.get(task, task)} {metric}": float(value)
                for key, value in entry.items()
                if (task := key.partition("/")[0]) and (metric := key.partition("/")[2])
                if metric in _ACCURACY and not math.isnan(value)
            }
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            pending = f"not a line of metrics: {error}"
    return rows, None, accuracy


def _from_log(lines: Iterator[str]) -> _Found:
    rows: list[_Report] = []
    start, before, known_start = 0, (0, 0.0), False
    batch_size: int | None = None
    accuracy: dict[str, float] = {}
    task, names = "", [""]
    for raw in lines:
        line = _COLOR.sub("", raw).rstrip()
        if found := _ITERATION.search(line):
            iteration, mean = int(found[1]), float(found[2])
            if rows and iteration <= rows[-1].iteration and not known_start:
                start, before = max(0, iteration + 1 - _PERIOD), (0, 0.0)
            known_start = False
            since = iteration + 1 - start
            timed = max(0, since - _NOT_TIMED)
            num, total = timed - before[0], timed * mean
            wait = num * _first(_DATA_TIME, line)
            last = _first(_LAST_TIME, line)
            rows.append(_Report(iteration, num, since, total - before[1], last, wait))
            before = (timed, total)
        elif found := _START.search(line):
            start, before, known_start = int(found[1]), (0, 0.0), True
        elif found := _BATCH_SIZE.search(line):
            batch_size = int(found[1])
        elif found := _AP_TASK.search(line):
            task = _TASKS.get(found[1], found[1])
        elif found := _AP_NAMES.search(line):
            names = found[1].split(",")
        elif found := _AP_VALUES.search(line):
            pairs = zip(names, found[1].split(","), strict=False)
            accuracy |= {
                f"{task} {name}": float(value)
                for name, value in pairs
                if name in _ACCURACY and not math.isnan(float(value))
            }
    return rows, batch_size, accuracy


def _first(pattern: re.Pattern[str], line: str) -> float:
    """The number that `pattern` finds in a line, NaN when it finds none."""
    found = pattern.search(line)
    return float(found[1]) if found else math.nan
