"""The log of a training: detectron2's, maskrcnn-benchmark's or mmdetection's.

All have a report every so many iterations, and evaluations. After a restart some iterations are
reported again; the later report counts.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.line_prefix import without
from detbench.readers.log_format import DETECTRON2, METRICS, of_json, of_text
from detbench.readers.text import open_text
from detbench.readers.training_history import EVALUATIONS, REPORTS, Evaluation, History, Process

_SHORT = (" AP", " AP50", " AP75")


@dataclass(frozen=True)
class TrainingLog:
    """A training's reports and evaluations.

    Attributes:
        reports: rows of `REPORTS`, by iteration, without duplicates; may be empty.
        batch_size: images per iteration; None if the log does not have it.
        curves: `training`, `iteration`, `lr` and the losses of every report; iterations that a
            restart repeated are there once, in their later version.
        evaluations: rows of `EVALUATIONS` in the log's order; then one column per metric, such as
            `box AP`, in percent.
        processes: the processes that trained, in order.
        no_wall: why the evaluations have no wall time; empty if they have it.
        has_means: whether `time (s)` comes of means; else of the median of each report.
        pauses: seconds in which no process ran; NaN if the log has no clock.
        notes: what else a reader has to know, one sentence each.
    """

    reports: pd.DataFrame
    batch_size: int | None
    curves: pd.DataFrame
    evaluations: pd.DataFrame
    processes: tuple[Process, ...]
    no_wall: str
    has_means: bool
    pauses: float
    notes: tuple[str, ...]

    @property
    def num_restarts(self) -> int:
        """The number of processes that trained after the first one."""
        return max(0, len(self.processes) - 1)

    @property
    def accuracy(self) -> dict[str, float]:
        """Every AP, AP50 and AP75 of the last evaluation that could be computed, in percent."""
        if self.evaluations.empty:
            return {}
        figures = self.evaluations[metrics_of(self.evaluations)].dropna(how="all")
        if figures.empty:
            return {}
        last = figures.iloc[-1]
        metrics = [str(name) for name in figures if str(name).endswith(_SHORT)]
        return {name: float(last[name]) for name in metrics if not math.isnan(last[name])}


def read_training_log(path: Path) -> TrainingLog:
    """Read a log of JSON lines or of text; the content decides which.

    Raises:
        BadFileError: it is neither, or has neither the time of an iteration nor an evaluation.
    """
    with open_text(path, prefixed=True) as stream:
        is_json = stream.read(1) == "{"
        stream.seek(0)
        if is_json:
            told, prefix = of_json(stream), ""
        else:
            told, prefix = of_text(stream) or (None, "")
        found = told or (METRICS if is_json else DETECTRON2)
        stream.seek(0)
        history = found.read(path, without(stream, prefix) if prefix else stream)
    if history.reports or history.evaluations:
        return _tables(history)
    if history.rank or path.name.rpartition(".rank")[2].isdigit():
        raise BadFileError(
            path,
            "no iteration's time in it: it is the log of a process that reports none",
            "give log.txt",
        )
    if history.unfinished:
        raise BadFileError(
            path,
            f"an evaluation that was ended before its end, at {history.unfinished}",
            "give the log of one that ran to its end, whose speed and AP are at its end",
        )
    if told is not None:
        raise BadFileError(
            path,
            f"no iteration's time in it: a file of {told.tool} without a report yet",
            "give the log of a training that reached its first report, or of an evaluation",
        )
    raise BadFileError(
        path,
        "no iteration's time in it: not a training log of detectron2, detbench,"
        " maskrcnn-benchmark or mmdetection",
        "give metrics.json or log.txt of a training that reached its first report",
    )


def metrics_of(evaluations: pd.DataFrame) -> list[str]:
    """The names of the metrics in a table of evaluations."""
    return [str(name) for name in evaluations.columns[len(EVALUATIONS.columns) :]]


def restarts(processes: tuple[Process, ...]) -> list[Process]:
    """The processes that resumed a training."""
    return [b for a, b in pairwise(processes) if a.training == b.training]


def _tables(history: History) -> TrainingLog:
    """The tables of a log's history."""
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
        has_means=history.has_means,
        pauses=history.pauses,
        notes=(*_unannounced(history), *history.notes),
    )


def _unannounced(history: History) -> list[str]:
    num = history.unannounced
    told = "no line announces {} of the restarts: the mean, the clock or the iterations show it"
    return [told.format(num)] if num else []


def _latest(history: History, *, across: bool) -> list[int]:
    """The indices of the reports on iterations that were not repeated later.

    Args:
        history: the history of the log.
        across: whether the iterations of a later training count as repetitions.
    """
    kept: list[int] = []
    covered: dict[int, list[tuple[int, int]]] = {}  # the last one, and that before the first
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
            r.compute_per_image, r.compute_per_batch,
        )
        for r in rows
    ]  # fmt: skip
    columns = {c.name: [row[i] for row in fields] for i, c in enumerate(EVALUATIONS.columns)}
    figures = {name: [row.figures.get(name, math.nan) for row in rows] for name in names}
    return EVALUATIONS.table({**columns, **figures})
