"""How busy GPUs were, and which cores worked meanwhile, side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd

from detbench.gpus.counters import CORES
from detbench.records.spec import RunRecord
from detbench.reporting.drawing import MOST_ROWS, PALETTE, bars, hover, newest, rows_layout
from detbench.reporting.labels import facts, labels, several, windows
from detbench.reporting.measurements import Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section

_TITLE = "GPU compute utilization and core utilization"
_BUSY = "busy (%)"
_COLORS = dict(zip((_BUSY, *CORES), PALETTE, strict=False))


def utilization(runs: Runs) -> Section | LeftOut:
    """A row a model and batch size: its newest timeline on a GPU, and its newest counters."""
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
                    _BUSY: device[_BUSY],
                    "window (ms)": device["window (ms)"],
                    "window": device["window"],
                    "kernels": device["kernels"],
                }
            )
    for counted in runs.counters.read:
        # Counters are of all launches in their file, whichever device of the run they are on.
        same: tuple[object, ...] = tuple(facts(counted.record).items())
        key = next((known for known in rows if known[:-1] == same), (*same, ""))
        first.setdefault(key, counted.record)
        rows.setdefault(key, {"device": ""}).update(
            {f"{name} (%)": counted.value.percent[name] for name in CORES}
            | {"profiled kernels": counted.value.num_kernels}
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
            " percent of peak over all profiled kernels, without idle time; the two never mix",
            f"{several(len(on_gpu), 'timeline')}, {several(len(runs.counters.read), 'file')} of"
            " counters; kernels of each in the CSV",
        ),
        sources=[file for _, file in used],
        traces=_traces(table.tail(MOST_ROWS)),
        layout=_layout(table.tail(MOST_ROWS)),
        notes=[
            "fp16 can be a part of fma (from GA10x on): they are never summed."
            " A missing bar is not measured.",
            *newest(len(table)),
        ],
    )
    return Section(_TITLE, [exhibit], problems=problems)


def _why_none(runs: Runs) -> str:
    if runs.timelines.read:
        return (
            f"no kernel of a GPU was recorded: {several(len(runs.timelines.read), 'timeline')} of"
            " a CPU, whose operators are below; counters need a GPU, too"
        )
    return "no timeline and no counters: modes nvprof, torch and nsight leave them"


def _traces(table: pd.DataFrame) -> list[dict[str, Any]]:
    names = table["run"].tolist()
    traces = []
    for column in (_BUSY, *(f"{core} (%)" for core in CORES)):
        if column not in table:
            continue
        values = [None if pd.isna(v) else float(v) for v in table[column]]
        trace = bars(
            column.removesuffix(" (%)"),
            values,
            [hover(n, _say(column, v)) for n, v in zip(names, values, strict=True)],
            marker={"color": _COLORS[column if column == _BUSY else column.removesuffix(" (%)")]},
        )
        traces.append(trace if column == _BUSY else {**trace, "xaxis": "x2"})
    return traces


def _say(column: str, value: float | None) -> str:
    return f"{column}: " + ("not measured" if value is None else f"{value:.2f}")


def _layout(table: pd.DataFrame) -> dict[str, Any]:
    layout = rows_layout(table["run"].tolist(), "busy (%)", barmode="group")
    layout["xaxis"] |= {"domain": [0, 0.47], "range": [0, 100]}
    layout["xaxis2"] = {
        "title": {"text": "of peak (%)"}, "domain": [0.53, 1], "range": [0, 100],
    }  # fmt: skip
    layout["height"] += 26 * len(table)
    return layout
