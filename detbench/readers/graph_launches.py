"""Launches of CUDA graphs whose kernels were not recorded: all figures lack their work."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

Numbers = npt.NDArray[np.int64]
GRAPH_LAUNCH = re.compile(r"(cuda|cu|hip)GraphLaunch(_\w+)?")
"""The calls that launch a graph; CUPTI adds the version (`_v10000`, `_ptsz`) to their names."""


def unrecorded(activities: pd.DataFrame, calls: pd.DataFrame, graphs: Numbers, remedy: str) -> str:
    """The note about launches of graphs that no activity names; empty if there are none.

    Args:
        activities: process and correlation of everything that ran on a GPU.
        calls: process and correlation of all calls.
        graphs: the rows of `calls` that launch a graph.
        remedy: how to record what is missing.
    """
    launches = calls.iloc[graphs]
    launches = launches[launches["correlation"] >= 0]
    num_missing = int((~_is_among(launches, activities)).sum())
    if not num_missing:
        return ""
    num_orphans = int((~_is_among(activities, calls)).sum())
    maybe = (
        f" ({num_orphans:,} activities name no launch, and may be theirs)" if num_orphans else ""
    )
    return (
        f"{num_missing:,} of {len(launches):,} launches of CUDA graphs have no kernel in the file"
        f"{maybe}: what these ran is missing, so the GPU was busier than any figure here says"
        f" ({remedy})"
    )


def _is_among(rows: pd.DataFrame, others: pd.DataFrame) -> npt.NDArray[np.bool_]:
    return pd.MultiIndex.from_frame(rows).isin(pd.MultiIndex.from_frame(others))
