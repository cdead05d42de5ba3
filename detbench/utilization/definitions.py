"""The same timeline by the definitions of other tools, under their names for the figures.

Each row has its own window, which explains most of the disagreement between the tools. Sources:
PyTorch's TensorBoard plugin (the last version before pull request 1368 removed it from
pytorch/kineto), TraceLens (commit 171dd74) and HolisticTraceAnalysis (commit f4d0062).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from detbench.readers.timeline import CPU, Timeline
from detbench.utilization.estimates import occupancy, sm_efficiency
from detbench.utilization.kernel_classes import kernel_class, names_a_tensor_core
from detbench.utilization.plugin_steps import plugin_steps
from detbench.utilization.window import Window, busy_of, window_of, work_of

# Names of kernels that HolisticTraceAnalysis does not count as computation.
_NO_COMPUTATION_TO_HTA = re.compile(r"^(?:nccl|hccl|hip)|ncclKernel|Memcpy|Memset|dma|Sync")


def by_definition(timeline: Timeline, chosen: list[str], name: str | None = None) -> pd.DataFrame:
    """One row per figure, ours first: a time, its share, and the window it is a share of.

    Raises:
        ValueError: the timeline is of a CPU, which no definition covers.
    """
    if chosen == [CPU]:
        raise ValueError("the definitions are about kernels, but the CPU runs none")
    rows = [
        {"device": device, **row}
        for device in chosen
        for figures in (
            _ours(timeline, device, name),
            _tensorboard(timeline, device),
            _tracelens(timeline, device),
            _hta(timeline, device),
        )
        for row in figures
    ]
    return pd.DataFrame(rows).astype({"share (%)": "float64", "time (ms)": "float64"})


def _row(tool: str, name: str, window: Window, time: int | None, **other: Any) -> dict[str, Any]:
    return {
        "defined by": tool,
        "name": name,
        "share (%)": None if time is None else window.percent(time),
        "time (ms)": None if time is None else time / 1e6,
        "window (ms)": window.duration / 1e6,
        "window": window.source,
        **other,
    }


def _ours(timeline: Timeline, device: str, name: str | None) -> Iterator[dict[str, Any]]:
    window = window_of(timeline, device, name)
    kernels, gpu = work_of(timeline, device), _gpu(timeline, device)
    yield _row("detbench", "busy", window, busy_of(kernels, window))
    yield _row("detbench", "busy with copies", window, busy_of(gpu, window))


def _tensorboard(timeline: Timeline, device: str) -> Iterator[dict[str, Any]]:
    """A step lasts until its launches have run; the shares are of all steps together."""
    steps = plugin_steps(_of_process(timeline, device))
    if not steps:
        return
    tool = "TensorBoard plugin"
    window = Window(steps[0][0], steps[-1][1], "steps, to the end of what they launched", None)
    kernels = work_of(timeline, device)
    total = kernels["duration (ns)"].sum()
    on_tensor_cores = kernels["name"].map(names_a_tensor_core).astype(bool)
    tensor = kernels.loc[on_tensor_cores, "duration (ns)"].sum()
    yield _row(tool, "GPU Utilization", window, busy_of(kernels, window))
    estimates = {
        "Est. SM Efficiency": sm_efficiency(kernels, window),
        "Est. Achieved Occupancy": occupancy(kernels, window),
    }
    for name, share in estimates.items():
        yield _row(tool, name, window, None, **{"share (%)": share})
    sums = Window(0, int(total), "sum of all kernels' durations", None)
    yield _row(tool, "Time using Tensor Cores (by names, at least)", sums, int(tensor))
    yield _row(tool, "kernel total", sums, int(total))
    mean = round(np.mean([end - start for start, end in steps]))
    yield _row(tool, "average step", window, mean, **{"share (%)": None})


def _of_process(timeline: Timeline, device: str) -> Timeline:
    """Of recordings that were put together, the one of a device's processes."""
    own = timeline.processes.get(device, frozenset())
    if not timeline.is_merged or not own:
        return timeline
    launches = timeline.launches
    return replace(
        timeline,
        ranges=timeline.ranges[timeline.ranges["process"].isin(own)],
        launches=None if launches is None else launches[launches["process"].isin(own)],
    )


def _tracelens(timeline: Timeline, device: str) -> Iterator[dict[str, Any]]:
    """Exposed time overlaps no computation; setting memory counts as computation."""
    gpu = _gpu(timeline, device)
    window = _first_to_last(gpu)
    is_copy = (gpu["kind"] == "copy") & ~gpu["name"].str.contains("memset", case=False)
    is_communication = _is_communication(gpu)
    is_compute = ~is_copy & ~is_communication
    busy, compute = busy_of(gpu, window), busy_of(gpu[is_compute], window)
    no_copies = busy_of(gpu[~is_copy], window)
    times = {
        "computation_time": compute,
        "exposed_comm_time": no_copies - compute,
        "exposed_memcpy_time": busy - no_copies,
        "busy_time": busy,
        "idle_time": window.duration - busy,
        "total_time": window.duration,
        "total_comm_time": busy_of(gpu[is_communication], window),
        "total_memcpy_time": busy_of(gpu[is_copy], window),
    }
    for name, time in times.items():
        yield _row("TraceLens", name, window, time)


def _hta(timeline: Timeline, device: str) -> Iterator[dict[str, Any]]:
    """Non-compute time is communication and copies that overlap no computation.

    HTA truncates every start and duration to whole microseconds; these figures do not.
    """
    gpu = _gpu(timeline, device)
    window = _first_to_last(gpu)
    busy = busy_of(gpu, window)
    is_compute = (gpu["kind"] == "kernel") & ~gpu["name"].str.contains(_NO_COMPUTATION_TO_HTA)
    compute = busy_of(gpu[is_compute], window)
    times = {
        "idle_time": window.duration - busy,
        "compute_time": compute,
        "non_compute_time": busy - compute,
    }
    for name, time in times.items():
        yield _row("HolisticTraceAnalysis", name, window, time)


def _gpu(timeline: Timeline, device: str) -> pd.DataFrame:
    table = timeline.activities
    found: pd.DataFrame = table[(table["device"] == device) & (table["kind"] != "operator")]
    return found


def _first_to_last(gpu: pd.DataFrame) -> Window:
    end = gpu["start (ns)"] + gpu["duration (ns)"]
    return Window(int(gpu["start (ns)"].min()), int(end.max()), "first to last activity", None)


def _is_communication(gpu: pd.DataFrame) -> pd.Series:
    return (gpu["kind"] == "kernel") & (gpu["name"].map(kernel_class) == "communication")
