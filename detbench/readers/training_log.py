"""What a training says of itself: detectron2's `metrics.json` and `log.txt`.

Both have a report every 20 iterations, and evaluations. A restart makes the iteration go
backwards; the later report of an iteration counts.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.detectron2_log import from_log
from detbench.readers.metrics_json import from_metrics
from detbench.readers.text import open_text
from detbench.readers.training_history import EVALUATIONS, REPORTS, Evaluation, History, Process

_SHORT = (" AP", " AP50", " AP75")


@dataclass(frozen=True)
class TrainingLog:
    """A training's reports and evaluations.

    Attributes:
        reports: rows as `REPORTS` says, by iteration, without duplicates; may be empty.
        batch_size: images an iteration, where the log names it.
        curves: `training`, `iteration`, `lr` and the losses of every report; what a restart did
            again is there once, in its later version.
        evaluations: rows as `EVALUATIONS` says, in the log's order; then a column a metric, such
            as `box AP`, in percent.
        processes: those that trained, in their order.
        no_wall: why the evaluations have no wall time; empty where they have.
    """

    reports: pd.DataFrame
    batch_size: int | None
    curves: pd.DataFrame
    evaluations: pd.DataFrame
    processes: tuple[Process, ...]
    no_wall: str

    @property
    def num_restarts(self) -> int:
        """How many processes trained after the first one."""
        return max(0, len(self.processes) - 1)

    @property
    def accuracy(self) -> dict[str, float]:
        """Every AP, AP50 and AP75 of the last evaluation that could be computed, in percent."""
        if self.evaluations.empty:
            return {}
        last = self.evaluations.iloc[-1]
        metrics = [name for name in metrics_of(self.evaluations) if name.endswith(_SHORT)]
        return {name: float(last[name]) for name in metrics if not math.isnan(last[name])}


def read_training_log(path: Path) -> TrainingLog:
    """Read a `metrics.json` or a `log.txt`, whichever the content is.

    Raises:
        BadFileError: it is neither, or has neither an iteration's time nor an evaluation.
    """
    with open_text(path) as stream:
        is_json = stream.read(1) == "{"
        stream.seek(0)
        history = (from_metrics if is_json else from_log)(path, stream)
    if history.reports or history.evaluations:
        return _tables(history)
    if history.rank or path.name.rpartition(".rank")[2].isdigit():
        raise BadFileError(
            path, "no iteration's time in it: it is of a process that reports none", "give log.txt"
        )
    raise BadFileError(
        path,
        "no iteration's time in it: not a training log of detectron2 or detbench",
        "give metrics.json or log.txt of a training that reached its first report",
    )


def metrics_of(evaluations: pd.DataFrame) -> list[str]:
    """The names of the metrics in a table of evaluations."""
    return [str(name) for name in evaluations.columns[len(EVALUATIONS.columns) :]]


def restarts(processes: tuple[Process, ...]) -> list[Process]:
    """The processes that went on with a training."""
    return [b for a, b in pairwise(processes) if a.training == b.training]


def _tables(history: History) -> TrainingLog:
    """A log's history as tables."""
    history.end()
    rows = sorted(history.reports[i] for i in _latest(history, across=True))
    columns = {c.name: [row[i] for row in rows] for i, c in enumerate(REPORTS.columns)}
    return TrainingLog(
        reports=REPORTS.table(columns),
        batch_size=history.batch_size,
        curves=_curves(history),
        evaluations=_evaluations(history.evaluations),
        processes=tuple(history.processes),
        no_wall=history.no_wall,
    )


def _latest(history: History, *, across: bool) -> list[int]:
    """Which reports are on iterations that were not done again later.

    Args:
        history: the log's.
        across: whether another training counts as doing them again.
    """
    kept: list[int] = []
    covered: dict[int, list[tuple[int, int]]] = {}  # last, before the first
    for index in reversed(range(len(history.reports))):
        report = history.reports[index]
        spans = covered.setdefault(0 if across else history.owners[index], [])
        place = bisect_left(spans, (report.iteration, -1))
        if place < len(spans) and spans[place][1] < report.iteration:
            continue
        insort(spans, (report.iteration, report.iteration - max(1, report.iterations)))
        kept.append(index)
    return sorted(kept)


def _curves(history: History) -> pd.DataFrame:
    table = pd.DataFrame({"training": history.owners}, dtype="int64").join(
        pd.DataFrame(history.curves, columns=None if history.curves else ["iteration"])
    )
    kept = table.iloc[_latest(history, across=False)]
    return kept.sort_values(["training", "iteration"]).reset_index(drop=True)


def _evaluations(rows: list[Evaluation]) -> pd.DataFrame:
    names = list(dict.fromkeys(name for row in rows for name in row.figures))
    fields = [
        (
            r.training, r.iteration, r.dataset, r.wall, r.pauses, r.iterations,
            r.seconds, r.per_image, r.per_batch, r.devices,
        )
        for r in rows
    ]  # fmt: skip
    columns = {c.name: [row[i] for row in fields] for i, c in enumerate(EVALUATIONS.columns)}
    figures = {name: [row.figures.get(name, math.nan) for row in rows] for name in names}
    return EVALUATIONS.table({**columns, **figures})
