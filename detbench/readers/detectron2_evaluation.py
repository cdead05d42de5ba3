"""The evaluations in detectron2's log: their speed, and AP from `copypaste` lines or tables.

An evaluation prints its speed, then a table of each task, then the same figures again in lines that
begin with `copypaste`. Programs that evaluate by themselves leave out the last or both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from detbench.readers.numbers import finite, seconds
from detbench.readers.training_history import Evaluation, figure

_INFERENCE = re.compile(r"Start inference on ")
_SPEED = re.compile(
    r"Total inference (pure compute )?time: .*\(([\d.]+) s / (img|iter) per device"
    r", on (\d{1,6}) devices\)"
)
_DONE = re.compile(r"Inference done (\d{1,15})/(\d{1,15})\b")
_RESULTS = re.compile(r"Evaluation results for (.+) in csv format:")
_TABLE = re.compile(r"Evaluation results for ([\w-]+):\s*$")
_TASK = re.compile(r"copypaste: Task: (\S+)")
_NAMES = re.compile(r"copypaste: ([A-Za-z][^=:]*)$")
_VALUES = re.compile(r"copypaste: ((?:(?:nan|-?\d+\.\d{4})(?:,|$))+)$")
_CELL = re.compile(r"nan|-?\d+\.\d+")


class Evaluations:
    """Reads the lines of evaluations.

    Args:
        begun: makes an evaluation of the training so far, and keeps it in the history.
        ended: gives an evaluation the time of this line; the argument is when it began.
    """

    def __init__(
        self, begun: Callable[[], Evaluation], ended: Callable[[Evaluation, float], None]
    ) -> None:
        self._begun, self._ended = begun, ended
        self._open: Evaluation | None = None
        self._began_at = math.nan
        self._tasks: set[str] = set()  # of the open one, in copypaste lines
        self._drawn: set[str] = set()  # in tables
        self._task = ""
        self._names: list[str] = []
        self._table: list[str] | None = None  # the lines of a table that has begun
        self.unfinished = ""  # how far an inference had come whose speed is in no line

    def close(self) -> None:
        """The training goes on, or a process begins."""
        self._open, self._began_at, self._table = None, math.nan, None

    def line(self, line: str, now: float) -> bool:
        """Whether this is a line of an evaluation, written at `now`."""
        if self._table is not None and line.startswith("|"):
            self._row(line.rstrip())
            return True
        if "copypaste" in line:
            self._copypaste(line.rstrip())
        elif "Evaluation results" in line:
            if found := _RESULTS.search(line):
                self._named(found[1])
            elif found := _TABLE.search(line):
                self._task, self._table = found[1], []
        elif "Inference done" in line and (found := _DONE.search(line)):
            self.unfinished = f"{found[1]} of {found[2]}"
        elif "inference" in line and _INFERENCE.search(line):
            self.close()
            self._began_at = now
        elif "inference" in line and (found := _SPEED.search(line)):
            self._speed(found)
        else:
            return False
        return True

    def _speed(self, found: re.Match[str]) -> None:
        pure, duration, unit, devices = found.groups()
        self.unfinished = ""
        if not pure or self._open is None:
            self._begin()
        assert self._open is not None
        per = "image" if unit == "img" else "batch"
        setattr(self._open, f"{'compute_' if pure else ''}per_{per}", seconds(duration))
        self._open.devices = int(devices)
        self._ended(self._open, self._began_at)

    def _begin(self) -> Evaluation:
        self._open = self._begun()
        self._tasks, self._drawn = set(), set()
        return self._open

    def _named(self, dataset: str) -> None:
        """Begin the copypaste lines of a dataset; its speed and tables may have been there."""
        if self._open is None or self._open.dataset is not None or self._tasks:
            before = self._open
            self._begin()
            if before is not None and self._open is not None:  # of one inference
                for name in ("per_image", "per_batch", "devices", "compute_per_image"):
                    setattr(self._open, name, getattr(before, name))
        assert self._open is not None
        self._open.dataset = dataset

    def _copypaste(self, line: str) -> None:
        if found := _TASK.search(line):
            self._task = found[1]
            if self._open is None or self._task in self._tasks:
                self._begin()
            self._tasks.add(self._task)
        elif found := _VALUES.search(line):
            self._figures(self._names, found[1].split(","))
        elif found := _NAMES.search(line):
            self._names = found[1].split(",")

    def _row(self, line: str) -> None:
        """A line of a table: names, a rule, values. A cut one is left out."""
        assert self._table is not None
        self._table.append(line)
        if len(self._table) < 3:
            return
        names, rule, values = (row.strip("|").split("|") for row in self._table)
        self._table = None
        cells = [cell.strip() for cell in values]
        is_whole = line.endswith("|") and len(line) > 1 and all(map(_CELL.fullmatch, cells))
        if not is_whole or not all(cell.strip(":-") == "" for cell in rule):
            return
        if self._open is None or self._task in self._tasks | self._drawn:
            self._begin()
        self._drawn.add(self._task)
        self._figures([name.strip() for name in names], cells)

    def _figures(self, names: list[str], values: list[str]) -> None:
        if self._open is None or len(values) != len(names):
            return  # cut by a kill, or its names are missing
        for name, value in zip(names, values, strict=True):
            self._open.figures[figure(self._task, name)] = finite(value)
        self._ended(self._open, self._began_at)
