"""What a training's log is turned into, whichever of its two formats it has.

A log holds processes, one after another. A process that goes on from a checkpoint belongs to the
training before it; one that begins at iteration 0 begins a training of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import pandas as pd

from detbench.readers.schema import Column, Schema

PERIOD = 20  # iterations between two reports: the default of detectron2's writers

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
EVALUATIONS = Schema(
    (
        Column("training", "Int64", "counted from 1; NA where nothing was trained"),
        Column("iteration", "Int64", "the last one done before it, counted from 0"),
        Column("dataset", "object", "None where the log names none"),
        Column("wall (s)", "float64", "since the training's first process began, pauses left out"),
        Column("pauses (s)", "float64", "until then, in which no process ran"),
        Column("iterations (s)", "float64", "of all iterations until then, by their reports"),
        Column("evaluation (s)", "float64", "that it took, inference and AP"),
        Column("inference (s/img)", "float64", "on one device"),
        Column("inference (s/batch)", "float64", "on one device"),
        Column("devices", "Int64", "that it ran on"),
    )
)
_TASKS = {"bbox": "box", "segm": "mask"}


class Report(NamedTuple):
    """A row of `REPORTS`."""

    iteration: int
    iterations: int
    since_start: int
    time: float
    typical: float
    data_wait: float


@dataclass
class Evaluation:
    """A row of `EVALUATIONS`; `figures` are its metrics, such as `box AP`, in percent."""

    training: int | None = None
    iteration: int | None = None
    dataset: str | None = None
    wall: float = math.nan
    pauses: float = math.nan
    iterations: float = math.nan
    seconds: float = math.nan
    per_image: float = math.nan
    per_batch: float = math.nan
    devices: int | None = None
    figures: dict[str, float] = field(default_factory=dict)


def figure(task: str, metric: str) -> str:
    """What a metric of one of detectron2's tasks is called here: `box AP`, `sem_seg mIoU`."""
    return f"{_TASKS.get(task, task)} {metric}"


class Process(NamedTuple):
    """A process that trained: of which training, and the iteration it began with."""

    training: int
    start: int


@dataclass
class History:
    """Everything a log tells, in its order; the two readers fill it."""

    reports: list[Report] = field(default_factory=list)
    curves: list[dict[str, float]] = field(default_factory=list)  # one a report: losses and lr
    owners: list[int] = field(default_factory=list)  # one a report: its process
    processes: list[Process] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    batch_size: int | None = None
    no_wall: str = ""  # why the log tells no wall time
    rank: int = 0
    _computed: float = 0.0  # seconds of the current training's iterations
    _waiting: list[Evaluation] = field(default_factory=list)

    @property
    def training(self) -> int | None:
        """The current training; None before the first."""
        return self.processes[-1].training if self.processes else None

    @property
    def last(self) -> int:
        """The last iteration reported on by the current process, or the one before it began."""
        if self.reports and self._reported:
            return self.reports[-1].iteration
        return self.processes[-1].start - 1 if self.processes else -1

    _reported: bool = False  # by the current process

    def begin(self, start: int) -> None:
        """A process begins to train with iteration `start`."""
        self.end()
        new = not self.processes or start == 0
        self.processes.append(Process((self.training or 0) + new, start))
        self._reported = False
        if new:
            self._computed = 0.0

    def report(self, report: Report, curve: dict[str, float]) -> None:
        """A report of the current process."""
        each = report.time / report.iterations if report.iterations > 0 else math.nan
        self._settle(each, report.iteration)
        self.reports.append(report)
        self.curves.append({"iteration": report.iteration, **curve})
        self.owners.append(len(self.processes) - 1)
        self._computed += report.time
        self._reported = True

    def evaluated(self, evaluation: Evaluation) -> None:
        """An evaluation, of what the current process trained where there is one.

        Its iteration may lie between two reports, so that its time is known at the next one.
        """
        self.evaluations.append(evaluation)
        if evaluation.training is not None:
            evaluation.iterations = self._computed
            self._waiting.append(evaluation)

    def end(self) -> None:
        """The current process ended, or the log does."""
        last = self.reports[-1] if self.reports and self._reported else None
        self._settle(last.time / last.iterations if last and last.iterations else math.nan, None)

    def _settle(self, each: float, following: int | None) -> None:
        for evaluation in self._waiting:
            assert evaluation.iteration is not None
            latest = self.last + PERIOD if following is None else following
            if evaluation.iteration > latest:
                evaluation.iteration = self.last
            if evaluation.iteration > self.last:
                evaluation.iterations += each * (evaluation.iteration - self.last)
        self._waiting.clear()


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


_SHORT = (" AP", " AP50", " AP75")


def metrics_of(evaluations: pd.DataFrame) -> list[str]:
    """The names of the metrics in a table of evaluations."""
    return [str(name) for name in evaluations.columns[len(EVALUATIONS.columns) :]]


def tables(history: History) -> TrainingLog:
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
    """Which reports are on iterations that no later process did again.

    Args:
        history: the log's.
        across: whether processes of other trainings count, or those of the same only.
    """
    of_process: dict[int, list[int]] = {}
    for index, owner in enumerate(history.owners):
        of_process.setdefault(owner, []).append(index)
    kept: list[int] = []
    done: list[tuple[int, int, int]] = []  # training, first and last iteration of later processes
    for owner, own in reversed(of_process.items()):
        training, start = history.processes[owner]
        later = [(first, last) for other, first, last in done if across or other == training]
        iterations = [(index, history.reports[index].iteration) for index in own]
        kept += [i for i, at in iterations if not any(first <= at <= last for first, last in later)]
        done.append((training, start, iterations[-1][1]))
    return sorted(kept)


def _curves(history: History) -> pd.DataFrame:
    table = pd.DataFrame(history.curves)
    table.insert(0, "training", [history.processes[owner].training for owner in history.owners])
    if table.empty:
        return table
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


def restarts(processes: tuple[Process, ...]) -> list[Process]:
    """The processes that went on with a training."""
    return [b for a, b in pairwise(processes) if a.training == b.training]
