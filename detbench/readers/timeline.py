"""The table that every timeline format is read into: what ran where, from when and how long."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from detbench.readers.schema import Column, Schema

CPU = "cpu"
PROFILER_STEP = "ProfilerStep#"
"""How PyTorch names the range of an iteration, before its number."""

TENSOR = "tensor cores"
"""A column that few files have: whether the kernel uses Tensor Cores, `yes` or `no`."""

ACTIVITIES = Schema(
    (
        Column("name", "category", "kernel, copy or operator"),
        Column(
            "kind", "category", "`kernel`, `copy` (memcpy and memset) or `operator` (on the CPU)"
        ),
        Column("device", "category", "GPU number, or `cpu`"),
        Column("stream", "int64", "stream on a GPU, thread on the CPU"),
        Column("start (ns)", "int64", "from an origin of the file's own"),
        Column("duration (ns)", "int64", ""),
    )
)

RANGES = Schema(
    (
        Column("name", "str", "what the program called the range"),
        Column("start (ns)", "int64", "from the same origin"),
        Column("duration (ns)", "int64", ""),
        Column("process", "int64", "whose range it is; -1 where the file does not tell"),
        Column("thread", "int64", "that opened it, no two processes' alike"),
    )
)

NO_RANGES = RANGES.table({column.name: [] for column in RANGES.columns})

LAUNCHES = Schema(
    (
        Column("activity", "int64", "its row among the activities"),
        Column("start (ns)", "int64", "of the call on the CPU that launched it"),
        Column("process", "int64", "that called"),
        Column("thread", "int64", "that called"),
    )
)

# Of kernels, where a trace of the PyTorch profiler has them; NaN where a kernel has none.
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
        Column("total (ns)", "int64", "of their durations, which may overlap"),
    )
)


@dataclass(frozen=True)
class KernelSums:
    """A summary: how long each kernel ran in all, but not when.

    Utilization cannot be had from it, as a sum counts overlapping kernels twice.

    Attributes:
        kernels: rows as `SUMS` says; with the column `TENSOR` where the file has it.
    """

    kernels: pd.DataFrame


@dataclass(frozen=True)
class Timeline:
    """A recorded timeline.

    Attributes:
        activities: rows as `ACTIVITIES` says, and where the file has them `ESTIMATES` and the
            column `TENSOR`.
        ranges: rows as `RANGES` says, on the CPU's side.
        launches: rows as `LAUNCHES` says, of the activities whose launch was recorded; None
            where they were not asked for, or the file has none.
        note: what else the file holds, where that explains why it has no kernels.
    """

    activities: pd.DataFrame
    ranges: pd.DataFrame
    launches: pd.DataFrame | None = None
    note: str = ""


def joined(launched: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame | None:
    """The table of launches: which call launched which activity; None without any call.

    A number of a correlation is unique in its process only. One call may launch many kernels
    (a CUDA graph); of two calls under one number the outer one counts, which starts first.

    Args:
        launched: one row an activity: process, correlation.
        calls: one row a call: process, correlation, start (ns), thread.
    """
    if calls.empty:
        return None
    keys = ["process", "correlation"]
    first = calls.sort_values("start (ns)").drop_duplicates(keys)
    found = launched.rename_axis("activity").reset_index().merge(first, on=keys)
    return LAUNCHES.table({c.name: found[c.name].to_numpy() for c in LAUNCHES.columns})
