"""How busy GPUs were, next to which of their cores worked."""

from __future__ import annotations

from typing import Any

import pandas as pd

from detbench.gpus.counters import CORES
from detbench.records.spec import RunRecord
from detbench.reporting.charts.bars import BUSY, busy_and_cores
from detbench.reporting.charts.parts import MOST_ROWS, newest
from detbench.reporting.labels import facts, labels, several, windows
from detbench.reporting.measurements import Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section
from detbench.reporting.sections.kernels import timeline_notes

_TITLE = "GPU compute utilization and core utilization"


def utilization(runs: Runs) -> Section | LeftOut:
    """One row per model, batch size and GPU: its newest timeline and its newest counters."""
    on_gpu = [r for r in runs.timelines.read if r.value.on_gpu]
    problems = [*runs.timelines.problems, *runs.counters.problems]
    rows: dict[tuple[object, ...], dict[str, Any]] = {}
    first: dict[tuple[object, ...], RunRecord] = {}
    for timeline in on_gpu:
        for _, device in timeline.value.devices.iterrows():
            key: tuple[object, ...] = (*facts(timeline.record).items(), str(device["device"]))
            first[key] = timeline.record
            rows.setdefault(key, {"device": f"GPU {device['device']}"}).update(
                {
                    BUSY: device[BUSY],
                    "window (ms)": device["window (ms)"],
                    "window": device["window"],
                    "kernels": device["kernels"],
                }
            )
    for counted in runs.counters.read:
        # Counters cover all launches in their file, on any device of the run.
        same: tuple[object, ...] = tuple(facts(counted.record).items())
        key = next((known for known in rows if known[:-1] == same), (*same, ""))
        first.setdefault(key, counted.record)
        rows.setdefault(key, {"device": ""}).update(
            {f"{name} (%)": counted.value.cores.percent[name] for name in CORES}
            | {"profiled kernels": counted.value.cores.num_kernels}
        )
    if not rows:
        return LeftOut(_TITLE, _why_none(runs), problems)
    names = labels(list(first.values()), with_mode=False)
    table = pd.DataFrame(
        {"run": f"{name} ({row['device']})" if row["device"] else name, **row}
        for name, row in zip(names, (rows[key] for key in first), strict=True)
    ).drop(columns="device")
    used = [(r.record, r.file) for r in on_gpu]
    used += [(r.record, r.file) for r in runs.counters.read]
    exhibit = Exhibit(
        "Busy share of the window, and share of peak of each kind of core",
        table,
        Basis(
            windows([record for record, _ in used]),
            "left: union of kernel intervals / wall time of the window; right: cycle-weighted"
            " percent of peak over all profiled kernels, idle time excluded; never combine the two",
            f"{several(len(on_gpu), 'timeline')}, {several(len(runs.counters.read), 'file')} of"
            " counters; the CSV has their numbers of kernels",
        ),
        sources=[file for _, file in used],
        chart=busy_and_cores(table.tail(MOST_ROWS)),
        notes=[
            "From GA10x on, fp16 is a part of fma: never add them. A missing bar was not measured.",
            *newest(len(table)),
            *timeline_notes(on_gpu),
            *dict.fromkeys(n for read in runs.counters.read for n in read.value.cores.notes),
        ],
    )
    return Section(_TITLE, [exhibit], problems=problems)


def _why_none(runs: Runs) -> str:
    if runs.timelines.read:
        return (
            f"no GPU kernel was recorded: {several(len(runs.timelines.read), 'timeline')} of a CPU,"
            " whose operators are below; counters need a GPU, too"
        )
    return "no timeline and no counters: modes nvprof, torch and nsight record them"
