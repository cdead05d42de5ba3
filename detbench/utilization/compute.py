"""Compute utilization: how much of a window at least one kernel was running, device by device."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from detbench.readers.timeline import CPU, Timeline
from detbench.utilization.intervals import busy_time, self_times
from detbench.utilization.kernel_classes import kernel_class

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


def devices(timeline: Timeline) -> list[str]:
    """The GPUs that ran kernels, or the CPU alone where none did."""
    kinds = timeline.activities
    gpus = sorted(kinds.loc[kinds["kind"] == "kernel", "device"].unique())
    return gpus if gpus else [CPU] if (kinds["kind"] == "operator").any() else []


def window_of(timeline: Timeline, device: str) -> Window:
    """The profiled iterations where the file names them, else first start to last end."""
    steps = timeline.ranges[timeline.ranges["name"].str.fullmatch(_ITERATION)]
    if len(steps):
        start = steps["start (ns)"]
        end = start + steps["duration (ns)"]
        return Window(int(start.min()), int(end.max()), "profiled iterations", len(steps))
    work = _work(timeline, device)
    end = (work["start (ns)"] + work["duration (ns)"]).max()
    what = "operator" if device == CPU else "kernel"
    return Window(int(work["start (ns)"].min()), int(end), f"first to last {what}", None)


def by_device(timeline: Timeline, chosen: list[str]) -> pd.DataFrame:
    """One row a device: busy share of the window, with and without copies."""
    rows = []
    for device in chosen:
        window = window_of(timeline, device)
        copies = timeline.activities[
            (timeline.activities["device"] == device) & (timeline.activities["kind"] == "copy")
        ]
        work = _work(timeline, device)
        busy = _busy(work, window)
        with_copies = _busy(pd.concat([work, copies]), window)
        rows.append(
            {
                "device": device,
                "busy (%)": 100 * busy / window.duration,
                "busy with copies (%)": 100 * with_copies / window.duration,
                "busy (ms)": busy / 1e6,
                "window (ms)": window.duration / 1e6,
                "window": window.source,
                "iterations": window.num_iterations,
                "operators" if device == CPU else "kernels": len(_inside(work, window)),
            }
        )
    table = pd.DataFrame(rows)
    return table.astype({"iterations": "Int64"})


def by_name(timeline: Timeline, chosen: list[str], level: str) -> pd.DataFrame:
    """Time by kernel `class` or by `kernel` name, largest first, inside the window.

    Durations are summed, so the shares are shares of kernel time, not of wall time; on the CPU
    an operator counts without the operators it calls.
    """
    parts = []
    for device in chosen:
        work = _inside(_work(timeline, device), window_of(timeline, device)).copy()
        work["time"] = _own_time(work, device)
        # Categories: each name is classified once, however often it ran.
        work["group"] = work["name"].map(kernel_class) if level == "class" else work["name"]
        grouped = work.groupby("group", observed=True)["time"].agg(["sum", "count", "mean"])
        grouped = grouped.sort_values("sum", ascending=False).reset_index()
        total = max(1, grouped["sum"].sum())
        parts.append(
            pd.DataFrame(
                {
                    "device": device,
                    level: grouped["group"],
                    "share (%)": 100 * grouped["sum"] / total,
                    "total (ms)": grouped["sum"] / 1e6,
                    "count": grouped["count"],
                    "mean (us)": grouped["mean"] / 1e3,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _work(timeline: Timeline, device: str) -> pd.DataFrame:
    kind = "operator" if device == CPU else "kernel"
    table = timeline.activities
    return table[(table["device"] == device) & (table["kind"] == kind)]


def _inside(work: pd.DataFrame, window: Window) -> pd.DataFrame:
    end = work["start (ns)"] + work["duration (ns)"]
    return work[(end > window.start) & (work["start (ns)"] < window.end)]


def _busy(work: pd.DataFrame, window: Window) -> int:
    start = work["start (ns)"].to_numpy()
    end = start + work["duration (ns)"].to_numpy()
    return busy_time(start, end, (window.start, window.end))


def _own_time(work: pd.DataFrame, device: str) -> pd.Series:
    if device != CPU:
        return work["duration (ns)"]
    own = pd.Series(0, index=work.index)
    for _, calls in work.groupby("stream"):
        own[calls.index] = self_times(
            calls["start (ns)"].to_numpy(np.int64), calls["duration (ns)"].to_numpy(np.int64)
        )
    return own
