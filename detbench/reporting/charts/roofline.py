"""The roofline: kernel classes as points below what the card can do at most."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from detbench.gpus.peaks import Peaks
from detbench.reporting.charts.parts import PALETTE, Chart, hover, plain, short

INTENSITY: Final = "intensity (FLOP/byte)"
RATE: Final = "rate (TFLOP/s)"

_PRECISIONS: Final = ("fp32", "tf32", "fp16", "bf16")
_DASHES: Final = ("solid", "dash", "dot", "dashdot")
_ROOF: Final = "#8a9199"
_SMALLEST, _LARGEST = 8, 34  # pixels: a point's area is its class's share of the run's time
_BESIDE = 2.0  # the axes go on by this factor


def drawn(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a place on logarithmic axes: those with operations and traffic."""
    return table[(table[INTENSITY] > 0) & (table[RATE] > 0)]


def roofline_points(table: pd.DataFrame, peaks: Peaks) -> Chart:
    """A point per run and kernel class, and a roof per precision that `peaks` states.

    Args:
        table: the column run, and those of `detbench.utilization.roofline`.
        peaks: of the GPU; what it does not state has no roof, and without bandwidth no slope.
    """
    points = drawn(table)
    traces = [*_roofs(points, peaks), *_classes(points)]
    layout = {
        "height": 520,
        "xaxis": {"title": {"text": INTENSITY}, **_log_axis(traces, "x")},
        "yaxis": {"title": {"text": RATE}, "automargin": True, **_log_axis(traces, "y")},
    }
    return Chart(traces, layout)


def _log_axis(traces: list[dict[str, Any]], axis: str) -> dict[str, Any]:
    """A range with room for the labels; of points alone it would be a sliver of a decade."""
    values = [value for trace in traces for value in trace[axis]]
    if not values:
        return {"type": "log"}
    ends = (min(values) / _BESIDE, max(values) * _BESIDE)
    return {"type": "log", "range": [math.log10(end) for end in ends]}


def _roofs(points: pd.DataFrame, peaks: Peaks) -> Iterator[dict[str, Any]]:
    names: dict[float, list[str]] = {}
    for precision in _PRECISIONS:
        if (most := getattr(peaks, precision)) is not None:
            names.setdefault(most, []).append(precision)
    ridges = {most: most / peaks.memory for most in names} if peaks.memory else {}
    shown = [*points[INTENSITY], *ridges.values()]
    for dash, (most, precisions) in zip(_DASHES, names.items() if shown else (), strict=False):
        name, ridge = ", ".join(precisions), ridges.get(most)
        x = [min(shown) / _BESIDE**2, *([ridge] if ridge else []), max(shown) * _BESIDE**2]
        yield {
            "type": "scatter",
            "mode": "lines",
            "name": plain(f"peak of {name}"),
            "x": x,
            "y": [most * min(1.0, each / ridge if ridge else 1.0) / 1e12 for each in x],
            "line": {"color": _ROOF, "dash": dash, "width": 1.5},
            "hoverinfo": "text",
            "hovertext": [
                hover(
                    f"{name}: {most / 1e12:.4g} TFLOP/s",
                    f"below {ridge:.3g} FLOP/byte the memory is the limit" if ridge else "",
                )
            ]
            * len(x),
        }


def _classes(points: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for number, (run, own) in enumerate(points.groupby("run", sort=False)):
        whole = own["time (ms)"].sum()
        shares = own["time (ms)"] / whole if whole else own["time (ms)"]
        yield {
            "type": "scatter",
            "mode": "markers+text",
            "name": plain(short(str(run))),
            "x": own[INTENSITY].tolist(),
            "y": own[RATE].tolist(),
            "text": [plain(name) for name in own["class"]],
            "textposition": "top center",
            "marker": {
                "color": PALETTE[number % len(PALETTE)],
                "size": [_SMALLEST + (_LARGEST - _SMALLEST) * share**0.5 for share in shares],
            },
            "hoverinfo": "text",
            "hovertext": [_said(str(run), row) for _, row in own.iterrows()],
        }


def _said(run: str, row: pd.Series) -> str:
    of_peak = [
        f"{row[column]:.3g} % of the {what} peak"
        for column, what in (
            ("arithmetic peak (%)", "arithmetic"),
            ("bandwidth peak (%)", "bandwidth"),
        )
        if not pd.isna(row[column])
    ]
    return hover(
        run,
        f"{row['class']}: {row[RATE]:.4g} TFLOP/s at {row[INTENSITY]:.4g} FLOP/byte",
        f"{row['kernels']:,} kernels, {row['time (ms)']:.4g} ms",
        ", ".join(of_peak),
    )
