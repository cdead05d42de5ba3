"""Throughput against batch size, with the intervals of repeats."""

from __future__ import annotations

from typing import Any

import pandas as pd

from detbench.records.store import RECORD
from detbench.reporting.drawing import PALETTE, hover, plain, short
from detbench.reporting.labels import several, windows
from detbench.reporting.measurements import Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section
from detbench.reporting.repeated import repeated

_TITLE = "Throughput against batch size"


def throughput(runs: Runs) -> Section | LeftOut:
    """A line a model."""
    groups = repeated(runs, "noprofile")
    if not groups:
        return LeftOut(_TITLE, "no run in mode noprofile ended well")
    table = pd.DataFrame(
        {
            "model": group.series,
            "batch size": group.batch_size,
            "images/s": group.mean,
            "± 95 %": group.half,
            "repeats": len(group.runs),
        }
        for group in groups
    ).astype({"± 95 %": "float64"})
    traces: list[dict[str, Any]] = []
    for number, (name, own) in enumerate(table.groupby("model", sort=False)):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": plain(short(str(name))),
                "x": own["batch size"].tolist(),
                "y": own["images/s"].tolist(),
                "error_y": {"type": "data", "array": own["± 95 %"].tolist(), "visible": True},
                "marker": {"color": PALETTE[number % len(PALETTE)]},
                "hoverinfo": "text",
                "hovertext": [
                    hover(
                        str(name),
                        f"batch size {size}: {speed:.4g} images/s",
                        _interval(half, repeats),
                    )
                    for _, size, speed, half, repeats in own.itertuples(index=False)
                ],
            }
        )
    records = [record for group in groups for _, record in group.runs]
    alone = sum(group.half is None for group in groups)
    exhibit = Exhibit(
        _TITLE,
        table,
        Basis(
            windows(records) + ", warm-up excluded",
            "images / wall time of the window; bars are 95 % intervals of the mean (Student's t)",
            f"{several(len(records), 'run')}, {several(len(groups), 'point')}",
        ),
        sources=[folder / RECORD for group in groups for folder, _ in group.runs],
        traces=traces,
        layout={
            "height": 440,
            "xaxis": {
                "title": {"text": "batch size (images an iteration)"},
                "type": "log",
                "tickvals": sorted(set(table["batch size"])),
                "ticktext": [str(size) for size in sorted(set(table["batch size"]))],
            },
            "yaxis": {"title": {"text": "images/s"}, "rangemode": "tozero", "automargin": True},
        },
        notes=[f"{several(alone, 'point')} of one run: no interval is known."] if alone else [],
    )
    return Section(_TITLE, [exhibit])


def _interval(half: float, repeats: int) -> str:
    if repeats == 1:
        return "one run: no interval"
    return f"± {half:.3g} (95 %, {repeats} repeats)"
