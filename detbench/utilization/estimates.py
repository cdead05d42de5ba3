"""The estimates of the PyTorch profiler for each kernel, as figures of a device over a window.

The definitions are those of PyTorch's TensorBoard plugin. Both figures follow from the shapes of
launches, not from counters: a kernel that waits for memory counts as if it computed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from detbench.readers.timeline import ESTIMATES
from detbench.utilization.intervals import Times
from detbench.utilization.window import Window

_BLOCKS, _OCCUPANCY = (column.name for column in ESTIMATES.columns)


def sm_efficiency(work: pd.DataFrame, window: Window) -> float | None:
    """Share of the multiprocessors that had a block to run, in percent of the whole window.

    At every moment it is the sum of the blocks per multiprocessor of all running kernels, at most
    1. None if no kernel has that number.
    """
    known = _with(work, _BLOCKS)
    if known.empty or not window.duration:
        return None
    start, end = _cut(known, window)
    blocks = known[_BLOCKS].to_numpy(np.float64)
    times = np.concatenate([start, end])
    order = np.argsort(times, kind="stable")
    running = np.cumsum(np.concatenate([blocks, -blocks])[order])[:-1]
    covered = (np.clip(running, 0, 1) * np.diff(times[order])).sum()
    return float(100 * covered / window.duration)


def occupancy(work: pd.DataFrame, window: Window) -> float | None:
    """Mean occupancy of the kernels, weighted by their time in the window; in percent.

    Idle time does not count. None if no kernel in the window has an occupancy.
    """
    known = _with(work, _OCCUPANCY)
    start, end = _cut(known, window)
    total = int((end - start).sum())
    if not total:
        return None
    return float((known[_OCCUPANCY].to_numpy(np.float64) * (end - start)).sum() / total)


def _with(work: pd.DataFrame, column: str) -> pd.DataFrame:
    return work[work[column].notna()] if column in work else work[:0]


def _cut(work: pd.DataFrame, window: Window) -> tuple[Times, Times]:
    start = work["start (ns)"].to_numpy()
    end = start + work["duration (ns)"].to_numpy()
    return np.clip(start, window.start, window.end), np.clip(end, window.start, window.end)
