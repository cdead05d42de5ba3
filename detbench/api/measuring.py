"""Measuring a training over repeats: how fast it is, and how long it takes to an accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from typing_extensions import Unpack

from detbench.api import requested as _requested
from detbench.api.options import TargetOptions, ThroughputOptions
from detbench.errors import UsageError
from detbench.records.modes import MODES
from detbench.records.store import Run
from detbench.running import session

if TYPE_CHECKING:
    import pandas as pd


class Measured(NamedTuple):
    """Runs, and the table of what they measured together; `table.attrs` says how to read it."""

    runs: list[Run]
    table: pd.DataFrame


def measure_throughput(
    family: str,
    processes: Sequence[int] = (1,),
    repeats: int = 3,
    **options: Unpack[ThroughputOptions],
) -> Measured:
    """Measure images/s with a 95 % interval over repeats, as `speed_table` lists it.

    A batch size is that of one process here, so that every GPU has the same work. Repeats take
    turns, so that a machine that grows warm or busy weighs on all alike.

    Args:
        family: such as `maskrcnn`.
        processes: numbers of processes to compare, a GPU each.
        repeats: runs of each.
        **options: see `ThroughputOptions`.

    Raises:
        UsageError: something named does not exist, or contradicts something else.
        MissingError: the machine lacks what the runs need.
        DetbenchError: a training was refused before its first iteration.
    """
    from detbench.reporting.run_summaries import speed_table

    _requested.check("measure_throughput", options, ThroughputOptions)
    if min(processes, default=0) < 1:
        raise UsageError("--processes is a list of numbers that are at least 1")
    if repeats < 1:
        raise UsageError(f"repeats is at least 1, not {repeats}")
    where, on_event = _requested.place(options), _requested.on_event(options)
    planned = []
    for number in processes:
        request = _requested.request(options, num_processes=number, batch_per_process=True)
        begun, specs = session.prepare(
            family, MODES["noprofile"], request, where, "window", on_event
        )
        planned += [(begun, spec) for spec in specs]
    runs = session.do_all(planned * repeats)
    return Measured(runs, speed_table(runs))


def measure_time_to_train(
    family: str,
    target: Mapping[str, float],
    repeats: int = 1,
    **options: Unpack[TargetOptions],
) -> Measured:
    """Measure how long trainings take to an evaluation that meets a target, as `time_table` lists.

    The clock runs from before anything of the dataset is touched to the end of the evaluation that
    meets all of the target, and is never paused.

    Args:
        family: such as `maskrcnn`.
        target: metrics and percents, such as `{"box AP": 37.7, "mask AP": 33.9}`.
        repeats: runs of each, with a seed each.
        **options: see `TargetOptions`.

    Raises:
        UsageError: something named does not exist, or contradicts something else.
        MissingError: the machine lacks what the runs need.
        DetbenchError: a training was refused before its first iteration.
    """
    from detbench.reporting.run_summaries import time_table

    _requested.check("measure_time_to_train", options, TargetOptions)
    if not target:
        raise UsageError("time-to-train needs a target", "as in box=37.7,mask=33.9")
    if repeats < 1:
        raise UsageError(f"repeats is at least 1, not {repeats}")
    where, on_event = _requested.place(options), _requested.on_event(options)
    begun, specs = session.prepare(
        family,
        MODES["noprofile"],
        _requested.request(options, target=dict(target)),
        where,
        "target",
        on_event,
    )
    seeds = [s.model_copy(update={"seed": s.seed + i}) for s in specs for i in range(repeats)]
    runs = session.do_all((begun, spec) for spec in seeds)
    return Measured(runs, time_table(runs))
