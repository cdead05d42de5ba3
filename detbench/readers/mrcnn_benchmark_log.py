"""maskrcnn-benchmark's `log.txt`: figures as `median (mean)`.

Its MetricLogger prints the median of the last 20 values and, in brackets, the mean of all since the
process began. Iterations count from 1. A checkpoint starts the means anew; no line names the
iteration that it continues from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from detbench.errors import BadFileError
from detbench.readers.numbers import seconds
from detbench.readers.running_mean import RunningMean, Seen
from detbench.readers.training_history import History, Report, curve_of

_FIGURE = r"(\d+\.\d+) \((\d+\.\d+)\)"
# The learning rate comes after all times: a line that is cut before it lacks some.
LINE = re.compile(rf"\biter: (\d{{1,15}})\s.*\btime: {_FIGURE}\s+data: {_FIGURE}\s.*\blr: ")
"""A report."""

_CURVE = re.compile(r"\b(lr|\w*loss\w*): (\d+\.\d+)(?=\s)")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_SECTION = re.compile(r"(\w+):\s*$")
_BATCH = re.compile(r"\s+IMS_PER_BATCH: (\d{1,15})\b")


def from_log(path: Path, lines: Iterator[str]) -> History:
    """The history in a `log.txt`. Its evaluations are not read.

    Raises:
        BadFileError: a report holds a time that is none.
    """
    history = History(no_wall="the clock of maskrcnn-benchmark's logs is not read")
    reader = _Reader(history)
    for number, line in enumerate(lines, 1):
        try:
            reader.line(line)
        except ValueError as error:
            raise BadFileError(
                path, f"not a line of maskrcnn-benchmark's log: {error}", "copy the file again",
                place=f"line {number}",
            ) from error  # fmt: skip
    return history


class _Reader:
    def __init__(self, history: History) -> None:
        self._history = history
        self._section = ""  # of the config; TEST has a batch size of its own
        self._now = self._before = self._reported_at = math.nan
        self._mean, self._wait = RunningMean(0), RunningMean(0)

    def line(self, line: str) -> None:
        if found := _STAMP.match(line):
            try:
                stamp = datetime.fromisoformat(found[0]).timestamp()
            except (ValueError, OverflowError):
                stamp = self._now  # not a time
            self._before, self._now = self._now, stamp
        if "iter: " in line and (found := LINE.search(line)):
            self._report(line, found)
        elif found := _SECTION.match(line):
            self._section = found[1]
        elif self._section == "SOLVER" and (found := _BATCH.match(line)):
            self._history.batch_size = int(found[1])

    def _report(self, line: str, found: re.Match[str]) -> None:
        history, iteration = self._history, int(found[1]) - 1
        mean, wait = seconds(found[3]), seconds(found[5])
        if not history.processes:
            self._begin(0)
        elif iteration == history.last:
            return  # written by two handlers, not by two trainings
        elif iteration < history.last or self._is_anew(iteration, mean):
            self._begin(max(0, iteration + 1 - self._mean.period))
            history.unannounced += 1
        self._reported_at = self._now
        since = iteration + 1 - history.processes[-1].start
        num, spent = self._mean.add(since, mean)
        waited = self._wait.add(since, wait)[1]
        curve = curve_of({name: float(value) for name, value in _CURVE.findall(line)})
        history.report(
            Report(iteration, num, since, spent, seconds(found[2]), max(0.0, waited)), curve
        )

    def _begin(self, start: int) -> None:
        self._history.begin(start)
        self._mean.begin()
        self._wait.begin()

    def _is_anew(self, iteration: int, mean: float) -> bool:
        now, history = self._now, self._history
        seen = Seen(now - self._reported_at, now - self._before, math.nan, False)
        return self._mean.is_anew(iteration + 1 - history.processes[-1].start, mean, seen)
