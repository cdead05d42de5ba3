"""Bar charts with one row per run, device or kernel."""

from __future__ import annotations

from typing import Any

import pandas as pd

from detbench.gpus.counters import CORES
from detbench.reporting.charts.parts import (
    MOST_ROWS,
    PALETTE,
    Chart,
    bars,
    hover,
    rows_layout,
)

BUSY = "busy (%)"
_COLORS = dict(zip((BUSY, *CORES), PALETTE, strict=False))
_CLASSES = (
    "conv", "gemm", "elementwise", "norm", "pooling", "roi_align", "nms", "communication", "copy",
    "other",
)  # fmt: skip
_CLASS_COLORS = dict(zip(_CLASSES, PALETTE, strict=True))
# The other classes have colours of these, hatched.
_RARE = (
    "attention", "softmax", "loss", "optimizer", "upsample", "embedding", "reduce", "sort", "index",
    "layout", "dropout", "random", "fft", "CUDA graph",
)  # fmt: skip


def busy_and_cores(table: pd.DataFrame) -> Chart:
    """The busy share of the window, and next to it the utilization of each kind of core.

    Args:
        table: the column run, and the known ones of `busy (%)`, `fma (%)`, ...; the two kinds of
            shares have different denominators, so each has its own axis.
    """
    names = table["run"].tolist()
    cores = [f"{core} (%)" for core in CORES if f"{core} (%)" in table]
    has_busy = BUSY in table
    traces = []
    for column in (*([BUSY] if has_busy else []), *cores):
        values = [None if pd.isna(v) else float(v) for v in table[column]]
        trace = bars(
            column.removesuffix(" (%)"),
            values,
            [hover(n, _say(column, v)) for n, v in zip(names, values, strict=True)],
            marker={"color": _COLORS[column if column == BUSY else column.removesuffix(" (%)")]},
        )
        traces.append(trace if column == BUSY or not has_busy else {**trace, "xaxis": "x2"})
    layout = rows_layout(names, "busy (%)" if has_busy else "of peak (%)", barmode="group")
    layout["xaxis"] |= {"range": [0, 100]}
    if has_busy and cores:
        layout["xaxis"] |= {"domain": [0, 0.47]}
        layout["xaxis2"] = {
            "title": {"text": "of peak (%)"}, "domain": [0.53, 1], "range": [0, 100],
        }  # fmt: skip
    layout["height"] += 26 * len(table) * bool(cores)
    return Chart(traces, layout)


def share_stacks(table: pd.DataFrame, level: str) -> Chart:
    """One stacked bar per run: the share of kernel time of each class, or other `level`.

    Args:
        table: the columns run, `level`, share (%) and total (ms).
        level: `class`, `kernel` or `tensor cores`.
    """
    shares = table.pivot_table(
        index="run", columns=level, values="share (%)", aggfunc="sum", sort=False
    ).tail(MOST_ROWS)
    totals = table.pivot_table(index="run", columns=level, values="total (ms)", aggfunc="sum")
    names = [str(name) for name in shares.index]
    ordered = dict.fromkeys((*(c for c in _CLASSES if c in shares.columns), *shares.columns))
    traces = []
    for number, kind in enumerate(ordered):
        values = [float(v) for v in shares[kind].fillna(0)]
        hovers = [
            hover(name, f"{kind}: {value:.2f} %, {_or_zero(totals.loc[name, kind]):.3f} ms")
            for name, value in zip(names, values, strict=True)
        ]
        color = _CLASS_COLORS.get(kind, PALETTE[number % len(PALETTE)])
        marker: dict[str, Any] = {"color": color}
        if kind in _RARE:
            place = _RARE.index(kind)
            marker = {
                "color": PALETTE[place % len(PALETTE)],
                "pattern": {"shape": "/" if place < len(PALETTE) else "x"},
            }
        traces.append(bars(kind, values, hovers, marker=marker))
    layout = rows_layout(names, "% of summed time", barmode="stack", showlegend=True)
    return Chart(traces, layout)


def gap_bars(table: pd.DataFrame) -> Chart:
    """One bar per run: the share of the window in which no kernel ran.

    Args:
        table: the column run and the columns of `compute.by_gap`.
    """
    drawn = table.tail(MOST_ROWS)
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
    return Chart(
        [bars("idle", drawn["idle (%)"].tolist(), hovers, marker={"color": PALETTE[1]})],
        rows_layout(drawn["run"].tolist(), "idle (% of window)", showlegend=False),
    )


def _say(column: str, value: float | None) -> str:
    return f"{column}: " + ("not measured" if value is None else f"{value:.2f}")


def _or_zero(value: Any) -> float:
    return 0.0 if pd.isna(value) else float(value)
