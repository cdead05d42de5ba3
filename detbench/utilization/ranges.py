"""The kernels that each range of the program launched on a GPU.

A kernel belongs to a range through the call on the CPU that launched it, not by its own time: it
often runs after the range has ended. The call has to start within the range and in its process, on
any thread, because PyTorch launches the backward pass from a separate thread.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from detbench.readers.timeline import CPU, Timeline
from detbench.utilization.intervals import Times, busy_time
from detbench.utilization.window import no_range

# Numbers that only distinguish the instances of a range, as PyTorch and detbench write them.
_NUMBER = re.compile(r"(?<=op_id = )\d+|(?<=seq = )\d+|(?<=ProfilerStep#)\d+|(?<=^iteration )\d+")
_ELSEWHERE, _UNKNOWN = "(launched in none of these)", "(launch not recorded)"
_KEY = "group"

_COLUMNS = [
    "range",
    "instances",
    "CPU time (ms)",
    "kernels",
    "by its own thread",
    "busy (ms)",
    "GPU span (ms)",
    "busy in span (%)",
]


def by_range(
    timeline: Timeline, chosen: list[str], top: int, name: str | None = None
) -> pd.DataFrame:
    """One row per range name, the `top` busiest; kernels launched outside all ranges come last.

    Ranges that differ only in the number of their instance share a row, with N for the number. The
    table of a device has the ranges of the processes that used it.

    Raises:
        ValueError: the file has no such range, or does not say which call launched a kernel.
    """
    if chosen == [CPU]:
        raise ValueError("ranges are measured by the kernels they launched, but the CPU runs none")
    folded = timeline.ranges["name"].str.replace(_NUMBER, "N", regex=True)
    ranges = timeline.ranges.assign(**{_KEY: folded})
    if name is not None:
        ranges = ranges[(ranges["name"] == name) | (ranges[_KEY] == name)]
        if ranges.empty:
            raise no_range(timeline, name)
    if ranges.empty:
        raise ValueError("it names no range")
    if timeline.launches is None or (ranges["process"] < 0).any():
        raise ValueError("it does not say which call launched a kernel, so no kernel has a range")
    return pd.concat(
        [_of_device(timeline, timeline.launches, ranges, device, top) for device in chosen],
        ignore_index=True,
    )


def _of_device(
    timeline: Timeline, launches: pd.DataFrame, ranges: pd.DataFrame, device: str, top: int
) -> pd.DataFrame:
    table = timeline.activities
    is_kernel = (table["kind"] == "kernel") & (table["device"] == device)
    mine = launches[is_kernel.to_numpy()[launches["activity"]]]
    kernels = _Kernels(table, mine)
    ranges = ranges[ranges["process"].isin(mine["process"])]
    low, high = kernels.launched_in(ranges)
    groups = ranges.assign(low=low, high=high).groupby(_KEY, sort=False)
    rows: list[dict[str, Any]] = [{"range": label, **kernels.row(group)} for label, group in groups]
    rows = sorted(rows, key=lambda row: -row["busy (ms)"])[:top]
    # Ranges opened minus closed before each kernel: at zero, no range launched it.
    opened = np.zeros(len(kernels.start) + 1, np.int64)
    np.add.at(opened, low, 1)
    np.add.at(opened, high, -1)
    elsewhere = np.cumsum(opened)[:-1] == 0
    unknown = table[is_kernel & ~table.index.isin(launches["activity"])]
    start = unknown["start (ns)"].to_numpy()
    rows += _rest(_ELSEWHERE, kernels.start[elsewhere], kernels.end[elsewhere])
    rows += _rest(_UNKNOWN, start, start + unknown["duration (ns)"].to_numpy())
    integers = dict.fromkeys(("instances", "kernels", "by its own thread"), "Int64")
    found = pd.DataFrame(rows, columns=_COLUMNS).astype(integers)
    found.insert(0, "device", device)
    return found


def _rest(label: str, start: Times, end: Times) -> list[dict[str, Any]]:
    """The row of the kernels without a range; no row if there are none."""
    if not len(start):
        return []
    return [{"range": label, "kernels": len(start), "busy (ms)": busy_time(start, end) / 1e6}]


class _Kernels:
    """The kernels of a device in the order of their launches, process by process."""

    def __init__(self, activities: pd.DataFrame, launches: pd.DataFrame) -> None:
        self._launches = launches.sort_values(["process", "start (ns)"], kind="stable")
        rows = activities.iloc[self._launches["activity"]]
        self.start = rows["start (ns)"].to_numpy()
        self.end = self.start + rows["duration (ns)"].to_numpy()
        self._thread = self._launches["thread"].to_numpy()

    def launched_in(self, ranges: pd.DataFrame) -> tuple[Times, Times]:
        """For every range, the first kernel launched in it and the one after the last."""
        low, high = np.zeros(len(ranges), np.int64), np.zeros(len(ranges), np.int64)
        begin = ranges["start (ns)"].to_numpy()
        finish = begin + ranges["duration (ns)"].to_numpy()
        process = self._launches["process"].to_numpy()
        called = self._launches["start (ns)"].to_numpy()
        for number in ranges["process"].unique():
            mine = (ranges["process"] == number).to_numpy()
            first, after = np.searchsorted(process, [number, number + 1])
            times = called[first:after]
            low[mine] = first + np.searchsorted(times, begin[mine], side="left")
            high[mine] = first + np.searchsorted(times, finish[mine], side="left")
        return low, np.maximum(low, high)

    def row(self, group: pd.DataFrame) -> dict[str, Any]:
        """The figures of the ranges of one name."""
        low, high = group["low"].to_numpy(), group["high"].to_numpy()
        counts = high - low
        # Kernels instance by instance; nested instances share some.
        offsets = np.cumsum(counts) - counts
        kernels = np.arange(counts.sum()) + np.repeat(low - offsets, counts)
        own = self._thread[kernels] == np.repeat(group["thread"].to_numpy(), counts)
        start, end = self.start[kernels], self.end[kernels]
        filled = offsets[counts > 0]
        span = 0
        if len(filled):
            firsts, lasts = np.minimum.reduceat(start, filled), np.maximum.reduceat(end, filled)
            span = int((lasts - firsts).sum())
        busy = busy_time(start, end)
        return {
            "instances": len(group),
            "CPU time (ms)": group["duration (ns)"].sum() / 1e6,
            "kernels": len(np.unique(kernels)),
            "by its own thread": len(np.unique(kernels[own])),
            "busy (ms)": busy / 1e6,
            "GPU span (ms)": span / 1e6,
            "busy in span (%)": 100 * busy / span if span else None,
        }
