"""Decides which run to do next, from the runs done so far. It runs nothing itself.

A row is a model in a mode, over ascending batch sizes. If one batch size trains, all smaller ones
do; if one runs out of memory, all larger ones do. A failure or a timeout decides only its own cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

CellStatus = Literal["fits", "oom", "host_oom", "timeout", "failed", "not tried"]
Source = Literal["measured", "implied", "predicted", "none"]

OUT_OF_MEMORY: tuple[CellStatus, ...] = ("oom", "host_oom")

SURE_NO = 1.1
"""A prediction whose low end exceeds the capacity by more than this factor counts as an oom without
a run, once the largest batch size predicted to fit has been measured to fit."""


@dataclass(frozen=True)
class Prediction:
    """How much memory a training is expected to need at its peak."""

    low_bytes: int
    high_bytes: int


class Predictor(Protocol):
    """Predicts the memory of trainings on one GPU profile."""

    @property
    def capacity_bytes(self) -> int:
        """How much memory a training may use on the profile."""

    def predict(self, model: str, batch_size: int) -> Prediction | None:
        """The memory it needs; None if it cannot be predicted."""


@dataclass(frozen=True)
class CellState:
    """The state of a cell: a model, mode and batch size.

    Attributes:
        source: whether the status was measured, is implied by another cell of the row, or was
            predicted; `none` for a cell that was not tried.
        cause: why it does not fit; of one that fits, what it has to be read with.
        by: the batch size that implies it.
        run: the folder of the run that measured it.
        seconds: how long that run took.
    """

    status: CellStatus = "not tried"
    source: Source = "none"
    cause: str = ""
    by: int | None = None
    run: str = ""
    images_per_second: float | None = None
    peak_bytes: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Row:
    """A model in a mode, over batch sizes.

    Attributes:
        batch_sizes: ascending.
        measured: the cells that a run has decided.
        predictions: by batch size, if there are any.
        capacity_bytes: the memory that the predictions are compared with.
        confirm: whether every prediction has to be confirmed by a run.
        refused: why no run of the row can begin; empty if no obstacle is known.
    """

    model: str
    mode: str
    batch_sizes: tuple[int, ...]
    measured: Mapping[int, CellState] = field(default_factory=dict)
    predictions: Mapping[int, Prediction] = field(default_factory=dict)
    capacity_bytes: int = 0
    confirm: bool = False
    refused: str = ""

    def says_fit(self, batch_size: int) -> bool | None:
        """Whether the middle of the prediction is within the capacity; None without one."""
        if (found := self.predictions.get(batch_size)) is None:
            return None
        return (found.low_bytes + found.high_bytes) / 2 <= self.capacity_bytes

    def says_surely_not(self, batch_size: int) -> bool:
        """Whether the prediction excludes it by a margin; see `SURE_NO`."""
        found = self.predictions.get(batch_size)
        return found is not None and found.low_bytes > SURE_NO * self.capacity_bytes


def states(row: Row) -> dict[int, CellState]:
    """The state of every cell of the row."""
    known = {size: _implied(row, size) for size in row.batch_sizes}
    if row.confirm or not _prediction_holds(row) or not _largest_was_measured(row):
        return known
    for size, state in known.items():
        if state.status == "not tried" and row.says_surely_not(size):
            low = row.predictions[size].low_bytes
            cause = f"needs at least {_mib(low)}, and {_mib(row.capacity_bytes)} are available"
            known[size] = CellState("oom", "predicted", cause)
    return known


def next_to_try(row: Row) -> int | None:
    """The batch size whose run decides most; None when the row is decided.

    With predictions that no run has contradicted: the largest one predicted to fit, then the
    next larger one, unless that is surely too large. Otherwise by bisection.
    """
    open_sizes = _open(row)
    if not open_sizes:
        return None
    if row.predictions and _prediction_holds(row):
        largest = _predicted_largest(row)
        if largest in open_sizes:
            return largest
        above = [size for size in open_sizes if largest is None or size > largest]
        if above:
            return above[0]
    return open_sizes[(len(open_sizes) - 1) // 2]


def runs_left(row: Row) -> int:
    """How many runs the row needs at most, if its prediction is right and no run fails."""
    if not row.predictions:
        return len(_open(row)).bit_length()  # bisection of n cells: floor(log2 n) + 1
    measured, count = dict(row.measured), 0
    while True:
        so_far = replace(row, measured=measured)
        size = next_to_try(so_far)
        if size is None:
            return count
        fits = so_far.says_fit(size)
        measured[size] = CellState("oom" if fits is False else "fits", "measured")
        count += 1


def _open(row: Row) -> list[int]:
    if row.refused:
        return []
    return [size for size, state in states(row).items() if state.status == "not tried"]


def _implied(row: Row, size: int) -> CellState:
    """The state as measured or implied by neighbours; neighbours that disagree imply nothing."""
    if size in row.measured:
        return row.measured[size]
    fitting = [s for s, state in row.measured.items() if state.status == "fits" and s > size]
    too_large = [s for s, state in row.measured.items() if state.status in OUT_OF_MEMORY]
    too_large = [s for s in too_large if s < size]
    if fitting and not too_large:
        by = min(fitting)
        return CellState("fits", "implied", f"as batch size {by} fits", by)
    if too_large and not fitting:
        by = max(too_large)
        return CellState(
            row.measured[by].status, "implied", f"as batch size {by} ran out of memory", by
        )
    return CellState(cause=row.refused)


def _predicted_largest(row: Row) -> int | None:
    return max((size for size in row.batch_sizes if row.says_fit(size)), default=None)


def _prediction_holds(row: Row) -> bool:
    """Whether no run has contradicted the prediction."""
    return not any(
        (state.status == "fits" and row.says_fit(size) is False)
        or (state.status in OUT_OF_MEMORY and row.says_fit(size) is True)
        for size, state in row.measured.items()
    )


def _largest_was_measured(row: Row) -> bool:
    largest = _predicted_largest(row)
    return largest is not None and _implied(row, largest).status == "fits"


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"
