"""The window that utilization is a share of, and the work of a device in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from detbench.readers.schema import blocks
from detbench.readers.timeline import CPU, Timeline
from detbench.utilization.intervals import busy_time

ITERATION = re.compile(r"(ProfilerStep#|iteration )\d+")
"""PyTorch's name of an iteration, and that of our NVTX range."""
NUMBER = re.compile(r"\d+")
"""What differs in the names of numbered ranges."""


@dataclass(frozen=True)
class Window:
    """The stretch of time that utilization is a share of, in ns, and the source of its ends."""

    start: int
    end: int
    source: str
    num_iterations: int | None

    @property
    def duration(self) -> int:
        """Length in ns."""
        return self.end - self.start

    def percent(self, time: int) -> float | None:
        """A time in ns as a percentage of the window; None if the window has no length."""
        return 100 * time / self.duration if self.duration else None


def devices(timeline: Timeline) -> list[str]:
    """The GPUs that ran kernels, or the CPU if none did."""
    kinds = timeline.activities["kind"]
    device = rows(timeline.activities, kinds == "kernel")["device"].cat
    codes = device.codes.to_numpy()
    found = (name for code, name in enumerate(device.categories) if (codes == code).any())
    gpus = sorted(found, key=_by_numbers)
    return gpus if gpus else [CPU] if (kinds == "operator").any() else []


def why_none(timeline: Timeline) -> tuple[str, str]:
    """Why a timeline has no device, and the remedy."""
    if timeline.note:
        return f"contains no kernel: {timeline.note}", "ask for a trace that has CUDA's activities"
    return "contains no kernel and no operator", "record a window of training"


def _by_numbers(device: str) -> tuple[str, list[tuple[int, str]]]:
    """The order of names, where `rank 10` comes after `rank 9`."""
    return NUMBER.sub("", device), [(len(number), number) for number in NUMBER.findall(device)]


def own_ranges(timeline: Timeline, device: str, is_wanted: pd.Series) -> pd.DataFrame:
    """The wanted ranges of the processes that used a device; all of them if it has none itself."""
    found: pd.DataFrame = timeline.ranges[is_wanted]
    own: pd.DataFrame = found[found["process"].isin(timeline.processes.get(device, ()))]
    return (found if own.empty else own).sort_values("start (ns)")


def iterations(timeline: Timeline, device: str, name: str | None = None) -> pd.DataFrame:
    """The ranges called `name`, by default those of the profiled iterations.

    A name with N for its numbers, such as `step N`, stands for all that differ in these.
    """
    names = timeline.ranges["name"]
    if name is None:
        return own_ranges(timeline, device, names.str.fullmatch(ITERATION))
    chosen = names == name
    if not chosen.any():
        chosen = names.str.replace(NUMBER, "N", regex=True) == name
    return own_ranges(timeline, device, chosen)


def window_of(timeline: Timeline, device: str, name: str | None = None) -> Window:
    """From the first to the last of `iterations`, or of the work if there are none.

    Recordings that were put together have one window then: that of all of them.

    Raises:
        ValueError: there is no range of that name.
    """
    steps = iterations(timeline, device, name)
    if len(steps):
        end = steps["start (ns)"] + steps["duration (ns)"]
        source = "profiled iterations" if name is None else f"ranges {name}"
        return Window(int(steps["start (ns)"].min()), int(end.max()), source, len(steps))
    if name is not None:
        raise no_range(timeline, name)
    what = "operator" if device == CPU else "kernel"
    table = timeline.activities
    is_common = timeline.is_merged and device != CPU
    work = table[table["kind"] == what] if is_common else work_of(timeline, device)
    end = (work["start (ns)"] + work["duration (ns)"]).max()
    source = f"first to last {what}{' of all processes' * is_common}"
    return Window(int(work["start (ns)"].min()), int(end), source, None)


def work_of(timeline: Timeline, device: str) -> pd.DataFrame:
    """The work that keeps a device busy: kernels on a GPU, operators on the CPU; no copies."""
    kind = "operator" if device == CPU else "kernel"
    table = timeline.activities
    return rows(table, (table["device"] == device) & (table["kind"] == kind))


def rows(table: pd.DataFrame, chosen: pd.Series[bool] | npt.NDArray[np.bool]) -> pd.DataFrame:
    """The chosen rows of a table; the table itself if they are all."""
    return table if chosen.all() else table[chosen]


def no_range(timeline: Timeline, name: str) -> ValueError:
    """The error for a missing range `name`, which lists the most frequent names."""
    known = ", ".join(map(str, timeline.ranges["name"].value_counts().index[:10]))
    return ValueError(f"no range '{name}' in it; the most frequent are: {known or 'none'}")


def busy_of(work: pd.DataFrame, window: Window) -> int:
    """The part of the window that at least one row of `work` covers, in ns."""
    start = work["start (ns)"].to_numpy()
    end = start + work["duration (ns)"].to_numpy()
    return busy_time(start, end, (window.start, window.end))


def inside(work: pd.DataFrame, window: Window) -> pd.DataFrame:
    """The rows at least partly in the window; one without length may also be on an edge."""
    start, duration = work["start (ns)"].to_numpy(), work["duration (ns)"].to_numpy()
    chosen = np.empty(len(work), bool)
    for some in blocks(len(work)):
        begin = start[some]
        end = begin + duration[some]
        is_point = (end == begin) & (begin >= window.start) & (begin <= window.end)
        chosen[some] = (end > window.start) & (begin < window.end) | is_point
    return rows(work, chosen)
