"""detectron2's `log.txt`, or its output: lines for people to read, with a clock.

`time` in a report is the mean of all iterations since the process began, except the first two; the
time between two reports follows from their difference. An evaluation does not name its iteration:
it follows from EVAL_PERIOD in the log's copy of the config; without that it is the last iteration
reported. Logs that were joined without the lines in which a process begins are told apart by the
mean, which starts anew.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from detbench.errors import BadFileError
from detbench.readers.detectron2_evaluation import Evaluations
from detbench.readers.log_clock import LogClock
from detbench.readers.numbers import seconds
from detbench.readers.running_mean import RunningMean, Seen
from detbench.readers.training_history import Evaluation, History, Report

_NOT_TIMED = 2  # at the start of a process: detectron2's IterationTimer leaves them out
_NUMBER = r"(?:nan|-?inf|-?[\d.]+(?:e[+-]?\d+)?)"

# The learning rate comes after all times: a line that is cut before it lacks some. A bracket behind
# the time is maskrcnn-benchmark's, whose `time` is another figure.
_ITERATION = re.compile(r"\biter: (\d{1,15})(?=\s).*? time: (\d+\.\d+)(?!\s+\()\s.*\blr: ")
LINE = re.compile(
    rf"{_ITERATION.pattern}|\[\d\d/\d\d [\d:]{{8}}(?:\] | )d(?:etectron)?2\b|copypaste: "
    r"|Evaluation results for [\w-]+:\s*$"
)
"""What only detectron2 writes."""
WORDS = ("iter: ", " d2", "detectron2", "copypaste: ", "Evaluation results")
"""One of these is in each such line."""

_LAST_TIME = re.compile(r" last_time: (\d+\.\d+)\s")
_DATA_TIME = re.compile(r" data_time: (\d+\.\d+)\s")
_CURVE = re.compile(rf" (lr|[\w./-]*loss[\w./-]*): ({_NUMBER})(?=\s)")
_SETUP = re.compile(
    r"Rank of current process: (\d{1,6})|Environment info:"
    r"|Command line arguments: |Contents of args.config_file|Running with full config:"
)
_START = re.compile(r"Starting training from iteration (\d{1,15})")
_CONFIG = re.compile(r"^\s*(IMS_PER_BATCH|EVAL_PERIOD|MAX_ITER): (\d{1,15})\b")


def from_log(path: Path, lines: Iterator[str]) -> History:
    """The history in a `log.txt`.

    Raises:
        BadFileError: a line of detectron2 holds something that it never writes.
    """
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        try:
            reader.line(line)
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
        self._evaluations = Evaluations(self._evaluation, self._evaluated)
        # The process
        self._setting_up = False
        self._announced = False  # it named its first iteration, and has not reported yet
        self._setup_at = self._ended_at = math.nan
        self._report = ""  # the line of the last report
        self._reported_at = math.nan
        self._mean = RunningMean(_NOT_TIMED)
        self._has_others = False  # stamped lines that are no reports
        # The training
        self._began_at = math.nan
        self._pauses = 0.0

    def line(self, line: str) -> None:
        is_stamped = line.startswith("[")
        if is_stamped and (now := self._clock.read(line)) is not None:
            self._before, self._now = self._now, now
        if "iter: " in line and (found := _ITERATION.search(line)):
            self._iteration(line, int(found[1]), seconds(found[2]))
            return
        self._has_others |= is_stamped
        if self._evaluations.line(line, self._now):
            return
        if found := _CONFIG.match(line):
            self._config[found[1]] = int(found[2])
        elif not is_stamped:
            return
        elif found := _SETUP.search(line):
            self._setup(found)
        elif found := _START.search(line):
            began = self._setup_at if self._setting_up else self._now
            self._start(int(found[1]), began, self._ended_at if self._setting_up else self._before)

    def finish(self) -> History:
        history = self.history
        history.batch_size = self._config.get("IMS_PER_BATCH")
        history.unfinished = self._evaluations.unfinished
        if self._clock.broken:
            history.no_wall = f"the log's clock steps back at {self._clock.broken}"
        elif not self._clock.seen:
            history.no_wall = "the log's lines have no clock"
        if history.no_wall:
            history.pauses = math.nan
        history.evaluations = [e for e in history.evaluations if e.figures or e.devices]
        return history

    def _setup(self, found: re.Match[str]) -> None:
        if found[1]:
            self.history.rank = max(self.history.rank, int(found[1]))
        if self._setting_up:
            return
        self._setting_up, self._setup_at, self._ended_at = True, self._now, self._before
        self._evaluations.close()

    def _start(self, iteration: int, began: float, ended: float) -> None:
        """Begin a process. It counts from its setup on, before it touched the dataset."""
        history = self.history
        earlier = history.training
        history.begin(iteration)
        pause = 0.0 if earlier is None else began - ended
        history.pauses = pause if math.isnan(history.pauses) else history.pauses + pause
        if history.training != earlier:
            self._began_at, self._pauses = began, 0.0
        else:
            self._pauses += pause
        self._setting_up, self._announced = False, True
        self._mean.begin()

    def _unannounced(self, iteration: int, mean: float) -> None:
        """Begin a process that shows by its first report alone."""
        earlier = self.history.training
        start = max(0, iteration + 1 - self._mean.period) if earlier else 0
        began = self._now - (iteration + 1 - start) * mean
        # Not before the line before; without one there is nothing to hold it against.
        self._start(start, began if math.isnan(self._before) else max(self._before, began),
                    self._before)  # fmt: skip
        self.history.unannounced += earlier is not None

    def _iteration(self, line: str, iteration: int, mean: float) -> None:
        history = self.history
        if line == self._report and not self._announced:
            return  # written by two handlers, not by two trainings
        self._report = line
        waited = _first(_DATA_TIME, line)
        if not self._announced:
            first = not history.processes
            if first or self._is_another(iteration, mean, waited):
                self._unannounced(iteration, mean)
        self._announced, self._reported_at = False, self._now
        self._evaluations.close()
        since = iteration + 1 - history.processes[-1].start
        num, spent = self._mean.add(since, mean)
        curve = {name: float(value) for name, value in _CURVE.findall(line)}
        last = _first(_LAST_TIME, line)
        history.report(Report(iteration, num, since, spent, last, num * waited), curve)

    def _is_another(self, iteration: int, mean: float, waited: float) -> bool:
        """Whether an unannounced report is of another process than the one before."""
        history = self.history
        if not history.reports:
            return False
        if iteration <= history.last:
            return True
        now = self._now
        seen = Seen(now - self._reported_at, now - self._before, waited, self._has_others)
        return self._mean.is_anew(iteration + 1 - history.processes[-1].start, mean, seen)

    def _evaluation(self) -> Evaluation:
        """Begin an evaluation."""
        history = self.history
        trained = bool(history.processes) and not self._setting_up
        found = Evaluation(
            training=history.training if trained else None,
            iteration=self._evaluated_iteration() if trained else None,
        )
        history.evaluated(found)
        return found

    def _evaluated(self, found: Evaluation, began: float) -> None:
        """The evaluation has come to this line."""
        found.seconds = self._now - began
        if found.training is not None:
            found.wall = self._now - self._began_at - self._pauses
            found.pauses = self._pauses

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
    return seconds(found[1]) if found else math.nan
