"""Arithmetic on intervals of time, in integer nanoseconds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detbench.readers.schema import blocks

Times = npt.NDArray[np.int64]


def union(start: Times, end: Times, within: tuple[int, int] | None = None) -> tuple[Times, Times]:
    """The union of `[start, end)` as disjoint intervals in order, clipped to `within`.

    Empty intervals are left out; adjacent ones are joined.
    """
    if within is not None:
        start, end = np.clip(start, *within), np.clip(end, *within)
    real = end > start
    if not real.all():
        start, end = start[real], end[real]
    if len(start) == 0:
        return start, end
    if (start[1:] < start[:-1]).any():
        order = np.argsort(start, kind="stable")
        start, end = start[order], end[order]
    reached = np.maximum.accumulate(end)  # how far the earlier intervals reach
    opens = np.concatenate([[True], start[1:] > reached[:-1]])
    closes = np.concatenate([opens[1:], [True]])
    return start[opens], reached[closes]


def busy_time(start: Times, end: Times, within: tuple[int, int] | None = None) -> int:
    """Length of the union of `[start, end)`, in ns, clipped to `within`.

    Overlapping kernels on different streams count once; that is what separates utilization
    from a sum of durations (TBD suite, IISWC 2018).
    """
    busy, reached, last = 0, np.iinfo(np.int64).min, np.iinfo(np.int64).min
    for some in blocks(len(start)):
        began, ended = start[some], end[some]
        if within is not None:
            began, ended = np.clip(began, *within), np.clip(ended, *within)
        if began[0] < last or (began[1:] < began[:-1]).any():  # not in order
            start, end = union(start, end, within)
            return int((end - start).sum())
        ends = np.maximum.accumulate(np.maximum(ended, reached))  # how far they reach
        before = np.concatenate([[reached], ends[:-1]])
        busy += int(np.maximum(ended - np.maximum(began, before), 0).sum())
        reached, last = ends[-1], began[-1]
    return busy


def gaps(start: Times, end: Times, within: tuple[int, int]) -> Times:
    """Lengths of the stretches of `within` that no interval covers, in ns, in order."""
    start, end = union(start, end, within)
    edges_before = np.concatenate([[within[0]], end])
    edges_after = np.concatenate([start, [within[1]]])
    lengths: Times = edges_after - edges_before
    return lengths[lengths > 0]


def self_times(start: Times, duration: Times) -> Times:
    """The duration of each call of one thread, without the calls nested in it."""
    own = duration.copy()
    end = start + duration
    # Parents before their children: earlier start first, and of equal starts the longer one.
    order = np.lexsort((-duration, start))
    open_calls: list[int] = []
    for call in order:
        while open_calls and end[open_calls[-1]] <= start[call]:
            open_calls.pop()
        if open_calls:
            own[open_calls[-1]] -= duration[call]
        open_calls.append(call)
    return np.maximum(own, 0)
