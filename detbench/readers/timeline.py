"""The table that every timeline format is read into: what ran where, from when and how long."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from detbench.readers.schema import Column, Schema

CPU = "cpu"
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
    )
)

NO_RANGES = RANGES.table({"name": [], "start (ns)": [], "duration (ns)": []})

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
        activities: rows as `ACTIVITIES` says; with the column `TENSOR` where the file has it.
        ranges: rows as `RANGES` says, on the CPU's side.
        note: what else the file holds, where that explains why it has no kernels.
    """

    activities: pd.DataFrame
    ranges: pd.DataFrame
    note: str = ""
