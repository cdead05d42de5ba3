"""Memory charts: categories at the peak, and phase by phase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from detbench.reporting.charts.parts import (
    MOST_ROWS,
    PALETTE,
    Chart,
    bars,
    hover,
    plain,
    rows_layout,
)

_CATEGORIES = (
    "weights", "gradients", "optimizer state", "activations", "inputs", "temporaries", "buffers",
    "unattributed",
)  # fmt: skip
_COLORS = dict(zip(_CATEGORIES, PALETTE, strict=False))

Capacity = tuple[float | None, str]
"""The memory that a run could use, in MiB, and the source of that number."""


def peak_stacks(table: pd.DataFrame, capacities: Sequence[Capacity] | None = None) -> Chart:
    """One stacked bar per run: memory at the peak by category, against the capacity.

    Args:
        table: the columns run, category and memory (MiB).
        capacities: one per drawn row, in the order of the rows.
    """
    wide = table.pivot_table(
        index="run", columns="category", values="memory (MiB)", aggfunc="sum", sort=False
    ).tail(MOST_ROWS)
    totals = wide.sum(axis=1)
    names = [str(name) for name in wide.index]
    traces: list[dict[str, Any]] = []
    for category in sorted(map(str, wide.columns), key=_place):
        values = [float(v) for v in wide[category].fillna(0)]
        hovers = [
            hover(name, f"{category}: {value:,.1f} MiB of {total:,.1f} at the peak")
            for name, value, total in zip(names, values, totals, strict=True)
        ]
        traces.append(bars(category, values, hovers, marker={"color": _color(category)}))
    traces.append(_marks("peak", list(totals), names, "diamond", 9))
    if capacities and any(size is not None for size, _ in capacities):
        sizes = [size for size, _ in capacities]
        traces.append(_marks("capacity", sizes, [why for _, why in capacities], "line-ns-open", 20))
    return Chart(traces, rows_layout(names, "MiB", barmode="relative"))


def phase_stacks(table: pd.DataFrame, capacity: Capacity = (None, "")) -> Chart:
    """One stacked bar per snapshot: memory at the peak of each phase, by category.

    Args:
        table: as `memory.by(parts, "phase")` returns it.
        capacity: drawn as a horizontal line, if known.
    """
    names = [str(c).removesuffix(" (MiB)") for c in table if str(c).endswith(" (MiB)")]
    categories = sorted((name for name in names if name != "total"), key=_place)
    moments = [
        row["phase"] if pd.isna(row["iteration"]) else f"{row['iteration']} {row['phase']}"
        for _, row in table.iterrows()
    ]
    places = list(range(len(moments)))
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "name": plain(category),
            "x": places,
            "y": [float(v) for v in table[f"{category} (MiB)"]],
            "marker": {"color": _color(category)},
            "hoverinfo": "text",
            "hovertext": [
                hover(moment, f"{category}: {value:,.1f} MiB")
                for moment, value in zip(moments, table[f"{category} (MiB)"], strict=True)
            ],
        }
        for category in categories
    ]
    peak = int(table["total (MiB)"].argmax())
    total = float(table["total (MiB)"].iloc[peak])
    traces.append(
        {
            "type": "scatter",
            "mode": "markers+text",
            "name": "peak",
            "x": [peak],
            "y": [total],
            "text": [f"peak {total:,.0f} MiB"],
            "textposition": "top center",
            "cliponaxis": False,
            "marker": {"symbol": "diamond", "size": 9, "color": "#d02f2f"},
            "hoverinfo": "text",
            "hovertext": [hover(moments[peak], f"peak: {total:,.1f} MiB")],
        }
    )
    size, why = capacity
    if size is not None:
        traces.append(
            {
                "type": "scatter", "mode": "lines", "name": "capacity",
                "x": [-0.5, len(moments) - 0.5], "y": [size] * 2,
                "line": {"color": "#d02f2f", "dash": "dash"},
                "hoverinfo": "text", "hovertext": [hover(why, f"{size:,.1f} MiB")] * 2,
            }
        )  # fmt: skip
    every = max(1, len(moments) // 24)
    layout = {
        "height": 420,
        "barmode": "relative",
        "xaxis": {
            "title": {"text": "iteration and phase"},
            "tickvals": places[::every],
            "ticktext": [plain(moment) for moment in moments[::every]],
            "automargin": True,
        },
        "yaxis": {"title": {"text": "MiB at the phase's peak"}, "automargin": True},
    }
    return Chart(traces, layout)


def _marks(name: str, values: list[Any], words: list[str], symbol: str, size: int) -> Any:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": values,
        "y": list(range(len(values))),
        "marker": {"symbol": symbol, "size": size, "color": "#d02f2f", "line": {"width": 3}},
        "hoverinfo": "text",
        "hovertext": [
            hover(word, f"{name}: {value:,.1f} MiB") if value is not None else ""
            for word, value in zip(words, values, strict=True)
        ],
    }


def _place(category: str) -> tuple[int, str]:
    """The sort key of a category: known ones first, then the others by name."""
    known = category in _CATEGORIES
    return (_CATEGORIES.index(category) if known else len(_CATEGORIES), category)


def _color(category: str) -> str:
    return _COLORS.get(category, PALETTE[-1])
