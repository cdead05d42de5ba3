"""The history of a training, which the readers of both log formats return.

A log holds one process after another. A process that resumes from a checkpoint belongs to the
training before it; one that begins at iteration 0 begins a new training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from detbench.readers.schema import Column, Schema

PERIOD = 20  # iterations between two reports: the default of detectron2's writers

REPORTS = Schema(
    (
        Column("iteration", "int64", "the last one in the report, counted from 0"),
        Column("iterations", "int64", "the number of iterations in the report"),
        Column("since start", "int64", "iterations of this process up to then"),
        Column(
            "time (s)", "float64", "of these iterations with data loading, or count times median"
        ),
        Column("typical (s)", "float64", "one iteration: the median of these, or the last one"),
        Column("data wait (s)", "float64", "time spent waiting for data; NaN if not reported"),
    )
)
EVALUATIONS = Schema(
    (
        Column("training", "Int64", "counted from 1; NA if nothing was trained"),
        Column("iteration", "Int64", "the last one before the evaluation, counted from 0"),
        Column("dataset", "object", "None if the log names none"),
        Column("wall (s)", "float64", "since the training's first process began, without pauses"),
        Column("pauses (s)", "float64", "time up to then in which no process ran"),
        Column("iterations (s)", "float64", "total of all iterations up to then, by their reports"),
        Column("evaluation (s)", "float64", "duration of the evaluation, inference and AP"),
        Column("inference (s/img)", "float64", "on one device"),
        Column("inference (s/batch)", "float64", "on one device"),
        Column("devices", "Int64", "number of devices that it ran on"),
        Column("pure compute (s/img)", "float64", "of the inference, data loading left out"),
        Column("pure compute (s/batch)", "float64", "of the inference, data loading left out"),
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
    compute_per_image: float = math.nan
    compute_per_batch: float = math.nan
    figures: dict[str, float] = field(default_factory=dict)


def curve_of(values: Mapping[str, float]) -> dict[str, float]:
    """The learning rate and the losses among the values of a report, their sum `total_loss`."""
    curve = {k: v for k, v in values.items() if k == "lr" or "loss" in k}
    if "loss" in curve:
        curve["total_loss"] = curve.pop("loss")
    return curve


def figure(task: str, metric: str) -> str:
    """Our name for a metric of one of detectron2's tasks: `box AP`, `sem_seg mIoU`."""
    return f"{_TASKS.get(task, task)} {metric}"


class Process(NamedTuple):
    """A process that trained: its training, and the iteration that it began with."""

    training: int
    start: int


@dataclass
class History:
    """Everything in a log, in order; all readers fill it.

    Attributes:
        curves: losses and learning rate of each report.
        owners: the training of each report.
        no_wall: why the log has no wall time.
        has_means: whether reports have the mean of their iterations, not the median alone.
        pauses: seconds in which no process ran; NaN if the log has no clock.
        unannounced: restarts that no line names.
        notes: what else a reader has to know, one sentence each.
        unfinished: how far an evaluation had come that was ended before its end, `400 of 1000`.
    """

    reports: list[Report] = field(default_factory=list)
    curves: list[dict[str, float]] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    batch_size: int | None = None
    no_wall: str = ""
    has_means: bool = True
    pauses: float = math.nan
    unannounced: int = 0
    notes: list[str] = field(default_factory=list)
    rank: int = 0
    unfinished: str = ""
    _computed: float = 0.0  # seconds of the current training's iterations
    _waiting: list[Evaluation] = field(default_factory=list)
    _reported: bool = False  # by the current process

    @property
    def training(self) -> int | None:
        """The current training; None before the first."""
        return self.processes[-1].training if self.processes else None

    @property
    def last(self) -> int:
        """The last iteration that the current process reported, or the one before its first."""
        if self.reports and self._reported:
            return self.reports[-1].iteration
        return self.processes[-1].start - 1 if self.processes else -1

    def begin(self, start: int) -> None:
        """Begin a process that trains from iteration `start` on."""
        self.end()
        new = not self.processes or start == 0
        self.processes.append(Process((self.training or 0) + new, start))
        self._reported = False
        if new:
            self._computed = 0.0

    def report(self, report: Report, curve: dict[str, float]) -> None:
        """Add a report of the current process."""
        each = report.time / report.iterations if report.iterations > 0 else math.nan
        self._settle(each, report.iteration)
        self.reports.append(report)
        self.curves.append({"iteration": report.iteration, **curve})
        self.owners.append(self.processes[-1].training)
        self._computed += report.time
        self._reported = True

    def evaluated(self, evaluation: Evaluation) -> None:
        """Add an evaluation, of the training of the current process if there is one.

        Its iteration may be between two reports; then its time is known at the next one.
        """
        self.evaluations.append(evaluation)
        if evaluation.training is not None:
            evaluation.iterations = self._computed
            self._waiting.append(evaluation)

    def end(self) -> None:
        """End the current process, also at the end of the log."""
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
