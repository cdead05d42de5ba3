"""What the device's time went to: classes of kernels, and gaps in which none ran."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from detbench.readers.timeline import CPU
from detbench.reporting.drawing import MOST_ROWS, PALETTE, bars, hover, newest, rows_layout
from detbench.reporting.labels import labels, several, windows
from detbench.reporting.measurements import Reading, Runs, TimelineTables
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section

_CLASSES, _GAPS = "Kernel classes", "Idle gaps"
_NONE = "no timeline: modes nvprof and torch leave one"
_ORDER = (
    "conv", "gemm", "elementwise", "norm", "pooling", "roi_align", "nms", "communication", "copy",
    "other",
)  # fmt: skip
_COLORS = dict(zip(_ORDER, PALETTE, strict=True))


def kernel_classes(runs: Runs) -> Section | LeftOut:
    """A stacked row a timeline and device: the share of each class in the kernels' time."""
    found = runs.timelines
    if not found.read:
        return LeftOut(_CLASSES, _NONE, found.problems)
    table = _stacked(found.read, "classes")
    shares = table.pivot_table(
        index="run", columns="class", values="share (%)", aggfunc="sum", sort=False
    ).tail(MOST_ROWS)
    totals = table.pivot_table(index="run", columns="class", values="total (ms)", aggfunc="sum")
    names = [str(name) for name in shares.index]
    traces: list[dict[str, Any]] = []
    for number, kind in enumerate(k for k in (*_ORDER, *shares.columns) if k in shares.columns):
        if any(trace["name"] == kind for trace in traces):
            continue
        values = [float(v) for v in shares[kind].fillna(0)]
        hovers = [
            hover(name, f"{kind}: {value:.2f} %, {_or_zero(totals.loc[name, kind]):.3f} ms")
            for name, value in zip(names, values, strict=True)
        ]
        color = _COLORS.get(kind, PALETTE[number % len(PALETTE)])
        traces.append(bars(kind, values, hovers, marker={"color": color}))
    exhibit = Exhibit(
        "Time by class of kernel",
        table,
        Basis(
            windows(found.records) + "; in a timeline its profiled iterations",
            "summed time of the device's kernels (of a CPU: its operators without those they call)",
            f"{several(len(found.read), 'timeline')}, {int(table['count'].sum()):,} kernels or"
            " operators",
        ),
        sources=[reading.file for reading in found.read],
        traces=traces,
        layout=rows_layout(names, "% of kernel time", barmode="stack", showlegend=True),
        notes=["Classes are guessed from kernels' names.", *newest(table["run"].nunique())],
    )
    return Section(_CLASSES, [exhibit], problems=found.problems)


def idle_gaps(runs: Runs) -> Section | LeftOut:
    """A row a timeline and device: how much of the window no kernel ran in."""
    found = runs.timelines
    if not found.read:
        return LeftOut(_GAPS, _NONE, found.problems)
    table = _stacked(found.read, "gaps")
    drawn = table.tail(MOST_ROWS)
    names = drawn["run"].tolist()
    lengths = [str(c) for c in table if str(c).startswith(("<", ">")) or " to " in str(c)]
    hovers = [
        hover(
            row["run"],
            f"idle {row['idle (%)']:.2f} %, {row['idle (ms)']:.3f} ms in {row['gaps']:,} gaps",
            f"largest {row['largest (ms)']:.3f} ms",
            *(f"{length}: {row[length]:,}" for length in lengths),
        )
        for _, row in drawn.iterrows()
    ]
    exhibit = Exhibit(
        "Share of the window in which nothing ran",
        table,
        Basis(
            windows(found.records) + "; in a timeline its profiled iterations",
            "wall time of the window; a gap is a stretch in which no kernel (of a CPU: no operator)"
            " ran on the device",
            f"{several(len(found.read), 'timeline')}, {int(table['gaps'].sum()):,} gaps",
        ),
        sources=[reading.file for reading in found.read],
        traces=[bars("idle", drawn["idle (%)"].tolist(), hovers, marker={"color": PALETTE[1]})],
        layout=rows_layout(names, "idle (% of window)", showlegend=False),
        notes=newest(len(table)),
    )
    return Section(_GAPS, [exhibit], problems=found.problems)


def _stacked(read: Sequence[Reading[TimelineTables]], which: str) -> pd.DataFrame:
    parts = []
    for reading, label in zip(read, labels([r.record for r in read]), strict=True):
        own: pd.DataFrame = getattr(reading.value, which)
        names = [f"{label} ({_device(device)})" for device in own["device"]]
        parts.append(own.drop(columns="device").assign(run=names))
    table = pd.concat(parts, ignore_index=True)
    return table[["run", *(c for c in table if c != "run")]]


def _device(device: str) -> str:
    return "CPU operators" if device == CPU else f"GPU {device}"


def _or_zero(value: Any) -> float:
    return 0.0 if pd.isna(value) else float(value)
