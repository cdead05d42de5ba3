"""The chart of a feasibility matrix: models x batch sizes, one color per status."""

from __future__ import annotations

from typing import Any

import pandas as pd

from detbench.reporting.charts.parts import Chart, hover, plain, row_label
from detbench.reporting.heat_map import COLORS

_STATUSES = tuple(COLORS)


def status_map(table: pd.DataFrame) -> Chart:
    """One cell per model, mode and batch size, with the cause in its hover text.

    Args:
        table: model, mode, batch size, status and source; optionally cause, images/s and
            peak memory (MiB).
    """
    names = list(dict.fromkeys(zip(table["model"], table["mode"], strict=True)))
    sizes = sorted(int(size) for size in table["batch size"].unique())
    by_cell = {
        ((row["model"], row["mode"]), int(row["batch size"])): row for _, row in table.iterrows()
    }
    grid = [[by_cell.get((name, size)) for size in sizes] for name in names]
    span = len(_STATUSES)
    scale = [
        [edge / span, color]
        for number, color in enumerate(COLORS.values())
        for edge in (number, number + 1)
    ]
    trace = {
        "type": "heatmap",
        "z": [[None if c is None else _STATUSES.index(c["status"]) for c in row] for row in grid],
        "text": [["" if c is None else _in_cell(c) for c in row] for row in grid],
        "texttemplate": "%{text}",
        "textfont": {"color": "#111"},
        "hoverinfo": "text",
        "hovertext": [["" if c is None else _on_hover(c) for c in row] for row in grid],
        "zmin": -0.5,
        "zmax": span - 0.5,
        "colorscale": scale,
        "xgap": 2,
        "ygap": 2,
        "showscale": False,
    }
    layout = {
        "height": 100 + 46 * max(2, len(names)),
        "xaxis": {
            "title": {"text": "batch size"},
            "tickvals": list(range(len(sizes))),
            "ticktext": [str(size) for size in sizes],
        },
        "yaxis": {
            "tickvals": list(range(len(names))),
            "ticktext": [row_label(f"{model} {mode}") for model, mode in names],
            "autorange": "reversed",
            "automargin": True,
        },
    }
    return Chart([trace], layout)


def _in_cell(row: Any) -> str:
    mark = {"implied": "*", "predicted": "~"}.get(row["source"], "")
    if row["status"] == "fits" and not pd.isna(row.get("images/s")):
        return f"{row['images/s']:.3g}/s{mark}"
    return plain(f"{row['status']}{mark}")


def _on_hover(row: Any) -> str:
    speed, peak = row.get("images/s"), row.get("peak memory (MiB)")
    return hover(
        f"{row['model']} bs{row['batch size']} {row['mode']}",
        f"{row['status']} ({row['source']})",
        "" if pd.isna(row.get("cause")) else str(row["cause"]),
        "" if pd.isna(speed) else f"{speed:.4g} images/s",
        "" if pd.isna(peak) else f"peak {peak:,.0f} MiB",
    )
