"""The tables that every timeline format is read into: what ran where, when and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from detbench.readers.schema import Column, Schema

CPU = "cpu"
PROFILER_STEP = "ProfilerStep#"
"""The name that PyTorch gives the range of an iteration, up to its number."""

TENSOR = "tensor cores"
"""A column of few files: whether the kernel uses Tensor Cores, `yes` or `no`."""

ACTIVITIES = Schema(
    (
        Column("name", "category", "kernel, copy or operator"),
        Column(
            "kind", "category", "`kernel`, `copy` (memcpy and memset) or `operator` (on the CPU)"
        ),
        Column("device", "category", "GPU number, with its rank if several have it; or `cpu`"),
        Column("stream", "int64", "stream on a GPU, thread on the CPU"),
        Column("start (ns)", "int64", "since an origin that the file chooses"),
        Column("duration (ns)", "int64", ""),
    )
)

RANGES = Schema(
    (
        Column("name", "str", "the name that the program gave the range"),
        Column("start (ns)", "int64", "since the same origin"),
        Column("duration (ns)", "int64", ""),
        Column("process", "int64", "the process of the range; -1 if the file has none"),
        Column("thread", "int64", "the thread that opened it, unique across processes"),
    )
)

NO_RANGES = RANGES.table({column.name: [] for column in RANGES.columns})

LAUNCHES = Schema(
    (
        Column("activity", "int64", "the row of the activity in its table"),
        Column("start (ns)", "int64", "start of the call on the CPU that launched it"),
        Column("process", "int64", "the process of the call"),
        Column("thread", "int64", "the thread of the call"),
    )
)

# For kernels in traces of the PyTorch profiler that have them; NaN for a kernel without one.
ESTIMATES = Schema(
    (
        Column("blocks per SM", "float32", "blocks of the grid / multiprocessors of the GPU"),
        Column("occupancy (%)", "float32", "achieved, estimated from the launch's shape"),
    )
)

SUMS = Schema(
    (
        Column("name", "category", "kernel"),
        Column("count", "int64", "launches"),
        Column("total (ns)", "int64", "sum of the durations, which may overlap"),
    )
)


@dataclass(frozen=True)
class KernelSums:
    """A summary: how long each kernel ran in total, but not when.

    It gives no utilization, because a sum counts overlapping kernels twice.

    Attributes:
        kernels: rows of `SUMS`, with the column `TENSOR` if the file has it.
        notes: sentences about what the rows and counts are, if that is not as in `SUMS`.
        unlisted: time on the GPU in ns that the file counts and shows in no row.
    """

    kernels: pd.DataFrame
    notes: tuple[str, ...] = ()
    unlisted: int = 0


@dataclass(frozen=True)
class Timeline:
    """A recorded timeline.

    Attributes:
        activities: rows of `ACTIVITIES`, with the columns of `ESTIMATES` and the column `TENSOR` if
            the file has them.
        ranges: rows of `RANGES`, as the CPU saw them.
        launches: rows of `LAUNCHES` for the activities whose launch was recorded; None if they
            were not requested, or the file has none.
        note: what the file holds instead of kernels, if that is known.
        notes: sentences that a reader of any figure of it has to know.
        processes: by device, the processes whose ranges are its own; empty if all are.
        is_merged: whether devices are told apart that their processes call by one number: such
            recordings were put together, and have one window.
    """

    activities: pd.DataFrame
    ranges: pd.DataFrame
    launches: pd.DataFrame | None = None
    note: str = ""
    notes: tuple[str, ...] = ()
    processes: Mapping[str, frozenset[int]] = field(default_factory=dict)
    is_merged: bool = False


def joined(launched: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame | None:
    """The table of launches: which call launched which activity; None without any call.

    A correlation number is unique only within its process. One call may launch many kernels
    (a CUDA graph); of two calls with the same number the outer one counts, which starts first.

    Args:
        launched: one row per activity: process, correlation.
        calls: one row per call: process, correlation, start (ns), thread.
    """
    if calls.empty:
        return None
    keys = ["process", "correlation"]
    first = calls.sort_values("start (ns)").drop_duplicates(keys)
    found = launched.rename_axis("activity").reset_index().merge(first, on=keys)
    return LAUNCHES.table({c.name: found[c.name].to_numpy() for c in LAUNCHES.columns})
