"""Compute utilization: for how much of a window at least one kernel was running, by device."""

from __future__ import annotations

import numpy as np
import pandas as pd

from detbench.readers.numbers import LONGEST
from detbench.readers.schema import blocks
from detbench.readers.timeline import CPU, TENSOR, KernelSums, Timeline
from detbench.utilization.estimates import occupancy, sm_efficiency
from detbench.utilization.intervals import gaps, self_times
from detbench.utilization.kernel_classes import kernel_class
from detbench.utilization.numbered_ranges import iterations_of
from detbench.utilization.window import Window, busy_of, inside, window_of, work_of

_SM_EFFICIENCY = "SM efficiency, estimated (%)"
_OCCUPANCY = "achieved occupancy, estimated (%)"


def by_device(timeline: Timeline, chosen: list[str], name: str | None = None) -> pd.DataFrame:
    """One row per device: busy share of the window, with and without copies."""
    rows = []
    for device in chosen:
        window = window_of(timeline, device, name)
        copies = timeline.activities[
            (timeline.activities["device"] == device) & (timeline.activities["kind"] == "copy")
        ]
        work = work_of(timeline, device)
        busy = busy_of(work, window)
        with_copies = busy if copies.empty else busy_of(pd.concat([work, copies]), window)
        rows.append(
            {
                "device": device,
                "busy (%)": window.percent(busy),
                "busy with copies (%)": window.percent(with_copies),
                "busy (ms)": busy / 1e6,
                "window (ms)": window.duration / 1e6,
                "window": window.source,
                "iterations": window.num_iterations,
                "operators" if device == CPU else "kernels": len(inside(work, window)),
                _SM_EFFICIENCY: sm_efficiency(work, window),
                _OCCUPANCY: occupancy(work, window),
            }
        )
    types = {"iterations": "Int64", _SM_EFFICIENCY: "float64", _OCCUPANCY: "float64"}
    return pd.DataFrame(rows).astype(types)


def by_stream(timeline: Timeline, chosen: list[str], name: str | None = None) -> pd.DataFrame:
    """One row per stream, or per thread on the CPU: its busy share of the window."""
    rows = []
    for device in chosen:
        window = window_of(timeline, device, name)
        for stream, work in inside(work_of(timeline, device), window).groupby("stream"):
            busy = busy_of(work, window)
            rows.append(
                {
                    "device": device,
                    "stream": stream,
                    "busy (%)": window.percent(busy),
                    "busy (ms)": busy / 1e6,
                    "kernels": len(work),
                }
            )
    return pd.DataFrame(rows)


def by_iteration(timeline: Timeline, chosen: list[str], name: str | None = None) -> pd.DataFrame:
    """One row per iteration (or range `name`): for how much of it the device was busy.

    Work counts in the iteration in which it ran, even if an earlier one launched it. Without a
    name known for iterations, the family of numbered ranges that fits best stands for them.

    Raises:
        ValueError: the file names no iteration.
    """
    rows = []
    for device in chosen:
        steps = iterations_of(timeline, device, name)
        work = work_of(timeline, device)
        for step in steps.itertuples(index=False):
            label, start, duration = step[:3]
            window = Window(int(start), int(start) + int(duration), str(label), 1)
            busy = busy_of(work, window)
            rows.append(
                {
                    "device": device,
                    "iteration": label,
                    "busy (%)": window.percent(busy),
                    "busy (ms)": busy / 1e6,
                    "duration (ms)": duration / 1e6,
                }
            )
    return pd.DataFrame(rows)


_GAP_EDGES = {"< 10 us": 0, "10 to 100 us": 10_000, "0.1 to 1 ms": 100_000, "> 1 ms": 1_000_000}


def by_gap(timeline: Timeline, chosen: list[str], name: str | None = None) -> pd.DataFrame:
    """One row per device: the gaps in the window in which no kernel ran, by length."""
    rows = []
    for device in chosen:
        window = window_of(timeline, device, name)
        work = work_of(timeline, device)
        start = work["start (ns)"].to_numpy()
        end = start + work["duration (ns)"].to_numpy()
        idle = gaps(start, end, (window.start, window.end))
        counts = np.histogram(idle, [*_GAP_EDGES.values(), np.iinfo(np.int64).max])[0]
        rows.append(
            {
                "device": device,
                "idle (%)": window.percent(int(idle.sum())),
                "idle (ms)": idle.sum() / 1e6,
                "gaps": len(idle),
                "largest (ms)": idle.max(initial=0) / 1e6,
                **dict(zip(_GAP_EDGES, counts, strict=True)),
            }
        )
    return pd.DataFrame(rows)


def by_communication(
    timeline: Timeline, chosen: list[str], name: str | None = None
) -> pd.DataFrame:
    """One row per device: time in communication kernels, and the part overlapped by compute."""
    rows = []
    for device in chosen:
        window = window_of(timeline, device, name)
        work = inside(work_of(timeline, device), window)
        is_communication = work["name"].map(kernel_class) == "communication"
        apart = busy_of(work[is_communication], window)
        compute = busy_of(work[~is_communication], window)
        # |A and B| = |A| + |B| - |A or B|
        overlapped = apart + compute - busy_of(work, window)
        rows.append(
            {
                "device": device,
                "communication (%)": window.percent(apart),
                "communication (ms)": apart / 1e6,
                "overlapped (%)": 100 * overlapped / apart if apart else None,
                "exposed (ms)": (apart - overlapped) / 1e6,
                "kernels": int(is_communication.sum()),
            }
        )
    return pd.DataFrame(rows)


def by_name(
    timeline: Timeline, chosen: list[str], level: str, name: str | None = None
) -> pd.DataFrame:
    """Time by kernel `class`, `kernel` name or use of `tensor` cores, largest first, in the window.

    Durations are summed, so the shares are of kernel time, not of wall time; on the CPU an
    operator counts without the operators that it calls.

    Raises:
        ValueError: the file does not say which kernels use Tensor Cores.
    """
    parts = []
    for device in chosen:
        work = inside(work_of(timeline, device), window_of(timeline, device, name))
        table = _shares(_sums(work, _own_time(work, device), level), level)
        table.insert(0, "device", device)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def of_sums(sums: KernelSums, level: str) -> pd.DataFrame:
    """The table of `by_name` for a summary, which has neither devices nor a window."""
    times = sums.kernels.rename(columns={"total (ns)": "time"})
    column = _column(times, level)
    total = times.groupby(column, observed=True)[["time", "count"]].sum()
    return _shares(total, level, sums.unlisted)


def _column(table: pd.DataFrame, level: str) -> str:
    """The column by which a table of kernels is summed."""
    if level == "tensor" and TENSOR not in table:
        raise ValueError("it does not say which kernels use Tensor Cores")
    return TENSOR if level == "tensor" else "name"


def _sums(work: pd.DataFrame, time: pd.Series, level: str) -> pd.DataFrame:
    """Summed time and count of the work of each name, or with and without Tensor Cores."""
    key = work[_column(work, level)]
    if not isinstance(key.dtype, pd.CategoricalDtype) or float(time.sum()) >= LONGEST:
        return pd.DataFrame({"time": time, "count": 1}).groupby(key, observed=True).sum()
    codes, times, names = key.cat.codes.to_numpy(), time.to_numpy(), key.cat.categories
    count, total = np.zeros((2, len(names)), np.int64)
    for some in blocks(len(work)):
        count += np.bincount(codes[some], minlength=len(names))
        total += np.bincount(codes[some], times[some], len(names)).astype(np.int64)
    there = count > 0  # as of a groupby, in the order of the categories
    index = pd.CategoricalIndex(names[there], names[there])
    return pd.DataFrame({"time": total[there], "count": count[there]}, index)


def _shares(sums: pd.DataFrame, level: str, unlisted: int = 0) -> pd.DataFrame:
    """Shares of the summed time and `unlisted`; `sums` has the columns time (ns) and count."""
    if level == "class":  # each name is classified once, no matter how often it ran
        sums = sums.groupby(sums.index.map(kernel_class), observed=True).sum()
    sums = sums.sort_values("time", ascending=False)
    total = max(1, sums["time"].sum() + unlisted)
    return pd.DataFrame(
        {
            {"tensor": TENSOR}.get(level, level): sums.index.astype("str"),
            "share (%)": 100 * sums["time"].to_numpy() / total,
            "total (ms)": sums["time"].to_numpy() / 1e6,
            "count": sums["count"].to_numpy(),
            "mean (us)": (sums["time"] / sums["count"]).to_numpy() / 1e3,
        }
    )


def _own_time(work: pd.DataFrame, device: str) -> pd.Series:
    if device != CPU:
        return work["duration (ns)"]
    own = pd.Series(0, index=work.index)
    for _, calls in work.groupby("stream"):
        own[calls.index] = self_times(
            calls["start (ns)"].to_numpy(np.int64), calls["duration (ns)"].to_numpy(np.int64)
        )
    return own
