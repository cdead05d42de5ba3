"""What the logs of mmdetection have in common, 2.x (mmcv) and 3.x (mmengine), text and JSON.

A report is the mean of the iterations since the one before: 2.x averages over its interval and
clears it at an epoch's begin, 3.x over a window that mmdetection sets to the interval. Iterations
count from 1, in most runs anew in each epoch. AP is a share, 0 to 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from detbench.readers.numbers import count, finite, seconds
from detbench.readers.training_history import Evaluation, History, Report, figure

_INTERVAL = 50  # iterations between two reports: mmdetection's default
_METRIC = re.compile(
    r"(?:\w+/)?(?:(?P<task>bbox|segm|proposal)_mAP(?:_(?P<part>50|75|s|m|l))?|(?P<voc>mAP|AP\d\d))"
)


class Epochs:
    """Numbers iterations over epochs, and hands reports and evaluations to a history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._starts: dict[int, int] = {}  # the first iteration of an epoch
        self._longest = 0  # iterations of an epoch, as far as reported
        self._epoch, self._inner = 0, 0  # of the last report
        self._interval = 0  # iterations between two reports; 0 before there are two
        self.is_guessed = False  # whether an epoch's length was not told

    def iteration(self, epoch: int, inner: int, length: int | None) -> int:
        """The iteration counted from 0 over all epochs.

        Args:
            epoch: counted from 1.
            inner: counted from 1 in its epoch, or over the whole run.
            length: iterations of an epoch; None if the log does not have it.
        """
        if length is not None:
            return (epoch - 1) * length + inner - 1
        if epoch not in self._starts:
            before = self._starts.get(self._epoch, 0)
            anew = bool(self._starts) and inner <= self._inner
            self._starts[epoch] = before + (
                self._longest * max(1, epoch - self._epoch) if anew else 0
            )
            self.is_guessed |= anew
        self._epoch, self._inner = epoch, inner
        start = self._starts[epoch]
        self._longest = max(self._longest, inner)
        return start + inner - 1

    def report(
        self, iteration: int, inner: int, values: Mapping[str, float], curve: dict[str, float]
    ) -> None:
        """Add a report of `values["time"]` seconds an iteration.

        Raises:
            ValueError: the iteration or a time is none.
        """
        history, time = self._history, seconds(values["time"])
        wait = seconds(values["data_time"]) if "data_time" in values else math.nan
        count(iteration)
        is_first = not history.processes
        if not is_first and iteration == history.last:
            return  # written by two handlers, not by two trainings
        if is_first or iteration < history.last:
            num = min(inner, iteration + 1, _INTERVAL)
            history.begin(iteration + 1 - num)
            history.unannounced += not is_first
        else:
            between = iteration - history.last
            self._interval = self._interval or between
            num = min(between, inner, self._interval)  # an epoch's last iterations have no report
        since = iteration + 1 - history.processes[-1].start
        history.report(Report(iteration, num, since, num * time, math.nan, num * wait), curve)

    def evaluation(self, values: Mapping[str, float], iteration: int | None = None) -> None:
        """Add an evaluation, if there is a metric in `values`; after the last report by default."""
        figures = {
            name: math.nan if value < 0 else 100 * finite(value)  # -1: there is no such object
            for key, value in values.items()
            if (name := _name(key))
        }
        if not figures:
            return
        history = self._history
        found = Evaluation(training=history.training)
        found.figures = {name: round(value, 6) for name, value in figures.items()}
        if history.training is not None:
            found.iteration = history.last if iteration is None else iteration
        history.evaluated(found)


def whole(values: Mapping[str, object], key: str) -> int:
    """A count from 1.

    Raises:
        KeyError, ValueError, TypeError: there is none.
    """
    number = count(values[key])
    if number < 1:
        raise ValueError(f"{key} is {number}")
    return number


def _name(key: str) -> str:
    """Our name for a metric; empty if it is none."""
    found = _METRIC.fullmatch(key)
    if found is None:
        return ""
    if found["voc"]:
        return figure("VOC", found["voc"])
    return figure(found["task"], f"AP{found['part'] or ''}")
