"""detectron2's `metrics.json`: one object per line, with what changed since the line before.

A report has the median iteration of the last 20. An evaluation is in the line of its iteration, but
the one at the end of a training is in a line of the iteration that would come next.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from detbench.readers.json_lines import take_entries
from detbench.readers.numbers import count, finite, seconds
from detbench.readers.training_history import PERIOD, Evaluation, History, Report, figure

# Tasks of detectron2's evaluators; other keys with a slash are counters of the model's heads.
# A metric with a hyphen is that of one category.
_METRIC = re.compile(
    r"(?:(?P<dataset>.+)/)?"
    r"(?P<task>(?:bbox|segm|keypoints|box_proposals|sem_seg|panoptic_seg|VOC)\w*)/(?P<metric>[^/-]+)"
)


def from_metrics(path: Path, lines: Iterator[str]) -> History:
    """The history in a `metrics.json`.

    Raises:
        BadFileError: a line other than the last, which a kill may have cut, is damaged.
    """
    reader = _Reader()
    take_entries(path, lines, reader.entry)
    reader.end_of_training()
    reader.history.no_wall = "metrics.json has no clock, and medians of iterations"
    reader.history.has_means = False
    return reader.history


class _Reader:
    def __init__(self) -> None:
        self.history = History()
        self._final: list[Evaluation] = []  # possibly those at the end of the training

    def entry(self, entry: dict[str, Any]) -> None:
        history = self.history
        if "time" in entry:
            iteration, time = count(entry["iteration"]), seconds(entry["time"])
            wait = seconds(entry["data_time"]) if "data_time" in entry else math.nan
            before = history.reports[-1].iteration if history.reports else -1
            if not history.processes:
                history.begin(0)
            elif iteration <= before:
                self.end_of_training()
                start = max(0, iteration + 1 - PERIOD)
                history.begin(start)
                before = start - 1
            self._final.clear()
            since = iteration + 1 - history.processes[-1].start
            num = min(PERIOD, iteration - before)
            curve = {
                key: float(value)
                for key, value in entry.items()
                if key in ("lr", "total_loss") or key.startswith("loss")
            }
            history.report(Report(iteration, num, since, num * time, time, num * wait), curve)
        for evaluation in _evaluations(entry).values():
            evaluation.training = history.training
            evaluation.iteration = count(entry["iteration"])
            history.evaluated(evaluation)
            if "time" not in entry:
                self._final.append(evaluation)

    def end_of_training(self) -> None:
        for evaluation in self._final:
            if evaluation.iteration == self.history.last + 1:
                evaluation.iteration = self.history.last
        self._final.clear()


def _evaluations(entry: dict[str, Any]) -> dict[str | None, Evaluation]:
    """The evaluations in a line, by the dataset they name."""
    found: dict[str | None, Evaluation] = {}
    for key, value in entry.items():
        if "/" in key and (match := _METRIC.fullmatch(key)):
            dataset = match["dataset"]
            evaluation = found.setdefault(dataset, Evaluation(dataset=dataset))
            evaluation.figures[figure(match["task"], match["metric"])] = finite(value)
    return found
