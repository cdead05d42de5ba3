"""detectron2's `log.txt`, or its output: lines for people to read, with a clock.

`time` in a report is the mean of all iterations since the process began, except the first two; the
time between two reports follows from their difference. An evaluation does not name its iteration:
it follows from EVAL_PERIOD in the log's copy of the config; without that it is the last iteration
reported.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from detbench.errors import BadFileError
from detbench.readers.log_clock import LogClock
from detbench.readers.training_history import PERIOD, Evaluation, History, Report, figure

_NOT_TIMED = 2  # at the start of a process: detectron2's IterationTimer leaves them out
_NUMBER = r"(?:nan|-?inf|-?[\d.]+(?:e[+-]?\d+)?)"

# The learning rate comes after all times: a line that is cut before it lacks some.
_ITERATION = re.compile(r"\biter: (\d{1,15})\b.*? time: (\d+\.\d+)\s.*\blr: ")
_LAST_TIME = re.compile(r" last_time: (\d+\.\d+)\s")
_DATA_TIME = re.compile(r" data_time: (\d+\.\d+)\s")
_CURVE = re.compile(rf" (lr|[\w./-]*loss[\w./-]*): ({_NUMBER})(?=\s)")
_SETUP = re.compile(
    r"Rank of current process: (\d{1,6})|Environment info:"
    r"|Command line arguments: |Contents of args.config_file|Running with full config:"
)
_START = re.compile(r"Starting training from iteration (\d{1,15})")
_CONFIG = re.compile(r"^\s*(IMS_PER_BATCH|EVAL_PERIOD|MAX_ITER): (\d{1,15})\b")
_INFERENCE = re.compile(r"Start inference on ")
_SPEED = re.compile(r"Total inference time: .*\(([\d.]+) s / (img|iter) per device, on (\d{1,6}) ")
_RESULTS = re.compile(r"Evaluation results for (.+) in csv format:")
_TASK = re.compile(r"copypaste: Task: (\S+)")
_NAMES = re.compile(r"copypaste: ([A-Za-z][^=:]*)$")
_VALUES = re.compile(r"copypaste: ((?:(?:nan|-?\d+\.\d{4})(?:,|$))+)$")
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


def from_log(path: Path, lines: Iterator[str]) -> History:
    """The history in a `log.txt`.

    Raises:
        BadFileError: a line of detectron2 holds something that it never writes.
    """
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        try:
            reader.line(_COLOR.sub("", line) if "\x1b" in line else line)
        except ValueError as error:
            raise BadFileError(
                path,
                f"not a line of detectron2's log: {error}",
                "copy the file again",
                place=f"line {number}",
            ) from error
    return reader.finish()


class _Reader:
    def __init__(self) -> None:
        self.history = History()
        self._clock = LogClock()
        self._now = self._before = math.nan  # times of this stamped line and of the one before
        self._config: dict[str, int] = {}
        # The process
        self._setting_up = False
        self._announced = False  # it named its first iteration, and has not reported yet
        self._setup_at = self._ended_at = math.nan
        self._report = ""  # the line of the last report
        self._timed = (0, 0.0)  # iterations in the mean of the last report, and their seconds
        # The training
        self._began_at = math.nan
        self._pauses = 0.0
        # The evaluation
        self._open: Evaluation | None = None
        self._inference_at = math.nan
        self._speed: dict[str, float] = {}
        self._devices: int | None = None
        self._task = ""
        self._names: list[str] = []

    def line(self, line: str) -> None:
        if line.startswith("[") and (now := self._clock.read(line)) is not None:
            self._before, self._now = self._now, now
        if "iter: " in line and (found := _ITERATION.search(line)):
            self._iteration(line, int(found[1]), float(found[2]))
        elif "copypaste" in line:
            self._copypaste(line.rstrip())
        elif found := _CONFIG.match(line):
            self._config[found[1]] = int(found[2])
        elif not line.startswith("["):
            return
        elif found := _SETUP.search(line):
            self._setup(found)
        elif found := _START.search(line):
            self._start(int(found[1]))
        elif _INFERENCE.search(line):
            self._open, self._inference_at = None, self._now
            self._speed, self._devices = {}, None
        elif found := _SPEED.search(line):
            self._speed, self._devices = {found[2]: float(found[1])}, int(found[3])
        elif found := _RESULTS.search(line):
            self._evaluation(found[1])

    def finish(self) -> History:
        history = self.history
        history.batch_size = self._config.get("IMS_PER_BATCH")
        if self._clock.broken:
            history.no_wall = f"the log's clock steps back at {self._clock.broken}"
        elif not self._clock.seen:
            history.no_wall = "the log's lines have no clock"
        history.evaluations = [e for e in history.evaluations if e.figures]
        return history

    def _setup(self, found: re.Match[str]) -> None:
        if found[1]:
            self.history.rank = max(self.history.rank, int(found[1]))
        if self._setting_up:
            return
        self._setting_up, self._setup_at, self._ended_at = True, self._now, self._before
        self._open, self._inference_at = None, math.nan

    def _start(self, iteration: int) -> None:
        """Begin a process. It counts from its setup on, before it touched the dataset."""
        ended = self._ended_at if self._setting_up else self._before
        began = self._setup_at if self._setting_up else self._now
        earlier = self.history.training
        self.history.begin(iteration)
        if self.history.training != earlier:
            self._began_at, self._pauses = began, 0.0
        else:
            self._pauses += began - ended
        self._setting_up, self._announced, self._timed = False, True, (0, 0.0)

    def _iteration(self, line: str, iteration: int, mean: float) -> None:
        history = self.history
        if line == self._report and not self._announced:
            return  # written by two handlers, not by two trainings
        self._report = line
        if not history.processes:
            self._start(0)
        elif not self._announced and history.reports and iteration <= history.last:
            self._start(max(0, iteration + 1 - PERIOD))
        self._announced, self._open, self._inference_at = False, None, math.nan
        since = iteration + 1 - history.processes[-1].start
        timed = max(0, since - _NOT_TIMED)
        num, total = timed - self._timed[0], timed * mean
        wait, last = num * _first(_DATA_TIME, line), _first(_LAST_TIME, line)
        curve = {name: float(value) for name, value in _CURVE.findall(line)}
        history.report(
            Report(iteration, num, since, total - self._timed[1], last, wait),
            curve,
        )
        self._timed = (timed, total)

    def _copypaste(self, line: str) -> None:
        if found := _TASK.search(line):
            self._task = found[1]
            if self._open is None or self._open_has(self._task):
                self._evaluation(None)
        elif found := _VALUES.search(line):
            values = found[1].split(",")
            if self._open is None or len(values) != len(self._names):
                return  # cut by a kill, or its names are missing
            for name, value in zip(self._names, values, strict=True):
                self._open.figures[figure(self._task, name)] = float(value)
            self._open.wall = self._now - self._began_at - self._pauses
            self._open.pauses = self._pauses
            self._open.seconds = self._now - self._inference_at
            if self._open.training is None:
                self._open.wall = self._open.pauses = math.nan
        elif found := _NAMES.search(line):
            self._names = found[1].split(",")

    def _open_has(self, task: str) -> bool:
        assert self._open is not None
        return any(name.startswith(figure(task, "")) for name in self._open.figures)

    def _evaluation(self, dataset: str | None) -> None:
        """Begin the rows of an evaluation."""
        history = self.history
        trained = bool(history.processes) and not self._setting_up
        self._open = Evaluation(
            training=history.training if trained else None,
            iteration=self._evaluated_iteration() if trained else None,
            dataset=dataset,
            per_image=self._speed.get("img", math.nan),
            per_batch=self._speed.get("iter", math.nan),
            devices=self._devices,
        )
        history.evaluated(self._open)

    def _evaluated_iteration(self) -> int:
        last, period = self.history.last, self._config.get("EVAL_PERIOD", 0)
        end = self._config.get("MAX_ITER", math.inf) - 1
        if not period or last >= end:
            return last
        following = ((last + 1) // period + 1) * period - 1
        return int(min(following, end))


def _first(pattern: re.Pattern[str], line: str) -> float:
    """The number that `pattern` finds in a line; NaN if it finds none."""
    found = pattern.search(line)
    return float(found[1]) if found else math.nan
