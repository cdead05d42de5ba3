"""A stream runs one kernel after another: kernels whose times deny that are cut, and told.

Profilers sometimes write an end that is far too late, and one such kernel covers all idle time
behind it. It shows by what ran on its stream meanwhile. A kernel that only overlaps the next one
may be right: programmatic dependent launch (from Hopper on) lets the next one begin early, but it
ends later. So may the kernels of one CUDA graph, which one call launched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from detbench.readers.schema import blocks
from detbench.readers.timeline import Timeline

Numbers = npt.NDArray[np.int64]
UNKNOWN = -1
"""The queue of an activity whose stream is not known, and the launch of one without a number."""

_FEW_QUEUES = 16
_WHOLE = 1000  # ns: starts in whole microseconds are rounded, and so may durations be
_ROUNDED = 2 * _WHOLE
_FEW = 0.1  # of the launches of one process on a stream, which several of its threads may reorder


class _Cut(NamedTuple):
    row: int
    end: int
    num_inside: int


def in_turn(
    timeline: Timeline, queues: Numbers, launches: Numbers, *, is_one_process: bool = True
) -> Timeline:
    """The timeline with every kernel cut where its stream went on, and a note of what was cut.

    Args:
        timeline: any; only its kernels are looked at.
        queues: for each activity, a number that only those of one stream share.
        launches: for each activity, the number of the call that launched it.
        is_one_process: whether no two processes can share such a number. Otherwise streams whose
            launches are out of order are left as they are.
    """
    table = timeline.activities
    start = table["start (ns)"].to_numpy()
    end = start + table["duration (ns)"].to_numpy()
    is_kernel = (table["kind"] == "kernel").to_numpy() & (queues != UNKNOWN)
    slack = 0 if any((start[some] % _WHOLE).any() for some in blocks(len(start))) else _ROUNDED
    cuts: list[_Cut] = []
    for part in _by_queue(is_kernel, queues):
        if _is_in_turn(start[part], end[part], slack):
            continue
        part = np.arange(len(start))[part]
        part = part[np.lexsort((end[part], start[part]))]
        if is_one_process or _is_in_order(launches[part]):
            cuts += _of_stream(part, start[part], end[part], launches[part], slack)
    if not cuts:
        return timeline
    duration = table["duration (ns)"].to_numpy().copy()
    for cut in cuts:
        duration[cut.row] = cut.end - start[cut.row]
    note = _note(table, cuts, duration)
    return replace(
        timeline,
        activities=table.assign(**{"duration (ns)": duration}),
        notes=(*timeline.notes, note),
    )


def codes_of(*columns: npt.NDArray[Any]) -> Numbers:
    """A number for each row that it shares only with rows that are equal in all columns."""
    found = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        if len(column) and (column != column[0]).any():
            code, values = pd.factorize(column)
            found = found * len(values) + code
    return found


def distinct(*columns: npt.NDArray[Any]) -> tuple[Numbers, Numbers]:
    """The first row of each combination of values, and for each row the number of its own."""
    codes, values = pd.factorize(codes_of(*columns))
    first = np.empty(len(values), np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last one written stays
    return first, codes


def _by_queue(is_chosen: npt.NDArray[np.bool_], queues: Numbers) -> Iterator[npt.NDArray[Any]]:
    """The chosen rows of each queue, in their order: as a mask, or as their numbers."""
    values = pd.unique(queues)
    if len(values) <= _FEW_QUEUES:  # ten million rows are a lot to sort
        yield from (is_chosen & (queues == value) for value in values)
        return
    rows = np.flatnonzero(is_chosen)
    codes = pd.factorize(queues[rows])[0]
    ends = np.bincount(codes).cumsum()
    yield from np.split(rows[np.argsort(codes, kind="stable")], ends[:-1])


def _is_in_turn(start: Numbers, end: Numbers, slack: int) -> bool:
    """Whether the rows are sorted, and none outlasts a later one: what nearly all files hold."""
    if not len(start) or (start[1:] < start[:-1]).any():
        return not len(start)
    return not (np.maximum.accumulate(end)[:-1] > end[1:] + slack).any()


def _is_in_order(launches: Numbers) -> bool:
    """Whether a stream's launches are of one process: their numbers rise."""
    known = launches[launches != UNKNOWN]
    return float((np.diff(known) < 0).sum()) <= _FEW * len(known)


def _of_stream(
    rows: Numbers, start: Numbers, end: Numbers, launch: Numbers, slack: int
) -> list[_Cut]:
    """The kernels of a stream, in the order of their starts, that outlast a later one."""
    earliest_after = np.minimum.accumulate(end[::-1])[::-1][1:]
    cuts = []
    for first in np.flatnonzero(end[:-1] > earliest_after + slack):
        behind = slice(first + 1, np.searchsorted(start, end[first]))
        is_other = (launch[behind] != launch[first]) | (launch[behind] == UNKNOWN)
        inside = is_other & (end[behind] + slack < end[first]) & (start[behind] > start[first])
        if inside.any():
            nexts = start[behind][is_other & (start[behind] > start[first])]
            cuts.append(_Cut(int(rows[first]), int(nexts[0]), int(inside.sum())))
    return cuts


def _note(table: pd.DataFrame, cuts: list[_Cut], duration: Numbers) -> str:
    """Which kernels were cut, how many, and by how much."""
    told = table["duration (ns)"].to_numpy()
    lost = sum(int(told[cut.row] - duration[cut.row]) for cut in cuts)
    worst = max(cuts, key=lambda cut: told[cut.row] - duration[cut.row])
    name, device = table["name"].iloc[worst.row], table["device"].iloc[worst.row]
    stream = table["stream"].iloc[worst.row]
    return (
        f"a stream runs one kernel after another, but {len(cuts):,} kernel"
        f"{'s' * (len(cuts) > 1)} would have lasted beyond later ones of the same stream: cut at"
        f" the next one's start, by {lost / 1e6:,.4g} ms in all. The largest cut: {name} on"
        f" {device_name(device)}, stream {stream}, written as {told[worst.row] / 1e6:,.4g} ms,"
        f" cut to {duration[worst.row] / 1e6:,.4g} ms ({worst.num_inside:,} kernels inside)"
    )


def device_name(device: str) -> str:
    """A device for a sentence: its own name, or `GPU 0`."""
    return f"GPU {device}" if device.isdigit() else device
