"""The window that utilization is a share of, and the work of a device in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from detbench.readers.timeline import CPU, Timeline
from detbench.utilization.intervals import busy_time

_ITERATION = re.compile(r"(ProfilerStep#|iteration )\d+")  # PyTorch's name, and our NVTX range's


@dataclass(frozen=True)
class Window:
    """The stretch of time that utilization is a share of, in ns, and where it comes from."""

    start: int
    end: int
    source: str
    num_iterations: int | None

    @property
    def duration(self) -> int:
        """Its length in ns."""
        return self.end - self.start

    def percent(self, time: int) -> float | None:
        """A time in ns as a share of the window; None of a window without length."""
        return 100 * time / self.duration if self.duration else None


def devices(timeline: Timeline) -> list[str]:
    """The GPUs that ran kernels, or the CPU alone where none did."""
    kinds = timeline.activities
    gpus = sorted(kinds.loc[kinds["kind"] == "kernel", "device"].unique())
    return gpus if gpus else [CPU] if (kinds["kind"] == "operator").any() else []


def iterations(timeline: Timeline, name: str | None = None) -> pd.DataFrame:
    """The ranges called `name`, or without one those of the profiled iterations."""
    names = timeline.ranges["name"]
    chosen = names == name if name is not None else names.str.fullmatch(_ITERATION)
    found: pd.DataFrame = timeline.ranges[chosen]
    return found.sort_values("start (ns)")


def window_of(timeline: Timeline, device: str, name: str | None = None) -> Window:
    """From the first to the last of `iterations`, or where there are none of the work itself.

    Raises:
        ValueError: there is no range of that name.
    """
    steps = iterations(timeline, name)
    if len(steps):
        end = steps["start (ns)"] + steps["duration (ns)"]
        source = "profiled iterations" if name is None else f"ranges {name}"
        return Window(int(steps["start (ns)"].min()), int(end.max()), source, len(steps))
    if name is not None:
        raise no_range(timeline, name)
    work = work_of(timeline, device)
    end = (work["start (ns)"] + work["duration (ns)"]).max()
    what = "operator" if device == CPU else "kernel"
    return Window(int(work["start (ns)"].min()), int(end), f"first to last {what}", None)


def work_of(timeline: Timeline, device: str) -> pd.DataFrame:
    """What keeps a device busy: a GPU's kernels, the CPU's operators; no copies."""
    kind = "operator" if device == CPU else "kernel"
    table = timeline.activities
    return table[(table["device"] == device) & (table["kind"] == kind)]


def no_range(timeline: Timeline, name: str) -> ValueError:
    """That there is no range `name`, with some names that there are."""
    known = ", ".join(map(str, timeline.ranges["name"].value_counts().index[:10]))
    return ValueError(f"no range '{name}' in it; the most frequent are: {known or 'none'}")


def busy_of(work: pd.DataFrame, window: Window) -> int:
    """How much of the window at least one row of `work` covers, in ns."""
    start = work["start (ns)"].to_numpy()
    end = start + work["duration (ns)"].to_numpy()
    return busy_time(start, end, (window.start, window.end))


def inside(work: pd.DataFrame, window: Window) -> pd.DataFrame:
    """The rows that lie in the window, at least in part; one of no length also on its edges."""
    start = work["start (ns)"]
    end = start + work["duration (ns)"]
    is_point = (end == start) & (start >= window.start) & (start <= window.end)
    return work[(end > window.start) & (start < window.end) | is_point]
