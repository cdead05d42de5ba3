"""Arithmetic on intervals of time, in integer nanoseconds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]


def busy_time(start: Times, end: Times, within: tuple[int, int] | None = None) -> int:
    """Length of the union of `[start, end)`, in ns, cut to `within`.

    Overlapping kernels on different streams count once; that is what separates utilization
    from a sum of durations (TBD suite, IISWC 2018).
    """
    if within is not None:
        start, end = np.clip(start, *within), np.clip(end, *within)
    if len(start) == 0:
        return 0
    order = np.argsort(start, kind="stable")
    start, end = start[order], end[order]
    reached = np.maximum.accumulate(end)  # how far the earlier intervals reach
    uncovered_from = np.maximum(start[1:], reached[:-1])
    return int(end[0] - start[0]) + int(np.maximum(end[1:] - uncovered_from, 0).sum())


def self_times(start: Times, duration: Times) -> Times:
    """Each interval's duration without the intervals nested in it, for one thread's calls."""
    own = duration.copy()
    end = start + duration
    # Parents before their children: earlier start first, longer first where they start together.
    order = np.lexsort((-duration, start))
    open_calls: list[int] = []
    for call in order:
        while open_calls and end[open_calls[-1]] <= start[call]:
            open_calls.pop()
        if open_calls:
            own[open_calls[-1]] -= duration[call]
        open_calls.append(call)
    return np.maximum(own, 0)
