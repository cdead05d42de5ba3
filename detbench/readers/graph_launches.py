"""Launches of kernels and CUDA graphs whose kernels were not recorded: figures lack their work."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Numbers = npt.NDArray[np.int64]
Launch = Literal["graph", "kernel", "capture", ""]
_KNOWN: dict[Launch, re.Pattern[str]] = {
    "graph": re.compile(r"(cuda|cu|hip)GraphLaunch(_\w+)?"),
    "kernel": re.compile(
        r"(cuda|cu|hip)(Ext|Hcc)?(Module)?Launch(Cooperative)?(Kernel)?(ExC?)?(_\w+)?"
    ),
    "capture": re.compile(r"(cuda|cu|hip)StreamBeginCapture(ToGraph)?(_\w+)?"),
}
_NAMES: dict[Launch, str] = {"graph": "CUDA graphs", "kernel": "kernels"}


def launch_of(call: str) -> Launch:
    """What a call launches, or that kernels go into a graph instead from it on.

    CUPTI adds the version (`_v10000`, `_ptsz`) to names.
    """
    if "Launch" not in call and "BeginCapture" not in call:  # most calls
        return ""
    return next((what for what, name in _KNOWN.items() if name.fullmatch(call)), "")


def told_without_kernels(num_launches: int) -> str:
    """What a file holds that has launches, and no kernel at all."""
    told = (
        "1 launch is recorded, its kernel is not"
        if num_launches == 1
        else f"{num_launches:,} launches are recorded, their kernels are not"
    )
    return (
        f"{told}: the profiler did not see what the GPU ran (another profiler had the GPU, no"
        " rights to trace it, or a CUDA graph that was not traced)"
    )


def unrecorded(
    activities: pd.DataFrame, calls: pd.DataFrame, launches: Numbers, what: Launch, remedy: str
) -> str:
    """The note about launches that no activity names; empty if there are none.

    Args:
        activities: process and correlation of everything that ran on a GPU.
        calls: process and correlation of all calls.
        launches: the rows of `calls` that count.
        what: which launches these are.
        remedy: how to record what is missing.
    """
    counted = calls.iloc[launches]
    counted = counted[counted["correlation"] >= 0]
    num_missing = int((~is_among(counted, activities)).sum())
    if not num_missing:
        return ""
    num_orphans = int((~is_among(activities, calls)).sum())
    maybe = (
        f" ({num_orphans:,} activities name no launch, and may be theirs)" if num_orphans else ""
    )
    return (
        f"{num_missing:,} of {len(counted):,} launches of {_NAMES[what]} have no kernel in the file"
        f"{maybe}: what these ran is missing, so the GPU was busier than any figure here says"
        f" ({remedy})"
    )


def is_among(rows: pd.DataFrame, others: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether each row is one of the others."""
    return pd.MultiIndex.from_frame(rows).isin(pd.MultiIndex.from_frame(others))
