"""Line charts: samples over time, losses and accuracy over iterations, images/s."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pandas as pd

from detbench.reporting.charts.parts import PALETTE, Chart, hover, plain, short, thinned

MOST_SAMPLES: Final = 120
"""Most points in a line of samples."""
MOST_REPORTS: Final = 1000
"""Most points in a training curve."""

_OF_GPUS: Final = (
    "utilization (%)", "SM active (%)", "SM occupancy (%)", "tensor pipe active (%)",
    "DRAM bandwidth used (%)", "power (W)", "SM clock (MHz)", "temperature (C)",
)  # fmt: skip
_OF_HOST: Final = ("CPU (%)", "run's CPU (cores)", "run's memory (MiB)")
_OF_SPEED: Final = ["batch size", "images/s", "± 95 %", "repeats"]
_TIME = "time (s)"


def drawn_samples(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples that a chart draws: gpu, quantity, time (s) and value; may be empty.

    The quantities are those of the GPUs, or of the host if no GPU was sampled. Long series are
    reduced to the lowest and the highest sample of each stretch.
    """
    panels = [q for q in _OF_GPUS if q in samples and samples[q].notna().any()]
    panels = panels or [q for q in _OF_HOST if q in samples and samples[q].notna().any()]
    parts = [pd.DataFrame({"gpu": [], "quantity": [], _TIME: [], "value": []})]
    if samples[_TIME].nunique() < 2:
        panels = []
    for gpu, own in samples.groupby("gpu", sort=False):
        for quantity in panels:
            times, values = thinned(own[_TIME], own[quantity], MOST_SAMPLES)
            if times:
                parts.append(
                    pd.DataFrame({"gpu": gpu, "quantity": quantity, _TIME: times, "value": values})
                )
    return pd.concat(parts[1:] or parts, ignore_index=True)


def sample_lines(drawn: pd.DataFrame) -> Chart:
    """One panel per quantity, with one line per GPU.

    Args:
        drawn: as `drawn_samples` returns it.
    """
    known = dict.fromkeys(drawn["quantity"])
    panels = [quantity for quantity in (*_OF_GPUS, *_OF_HOST) if quantity in known]
    traces: list[dict[str, Any]] = []
    for number, (gpu, own) in enumerate(drawn.groupby("gpu", sort=False)):
        for quantity, line in own.groupby("quantity", sort=False):
            panel = panels.index(str(quantity)) + 1
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": plain(f"GPU {gpu}" if gpu != "host" else gpu),
                    "legendgroup": plain(gpu),
                    "showlegend": panel == 1,
                    "x": line[_TIME].tolist(),
                    "y": line["value"].tolist(),
                    "yaxis": f"y{panel}" if panel > 1 else "y",
                    "line": {"color": PALETTE[number % len(PALETTE)], "width": 1.5},
                    "hoverinfo": "text",
                    "hovertext": [
                        hover(str(gpu), f"{time:.0f} s: {value:.4g} {quantity}")
                        for time, value in zip(line[_TIME], line["value"], strict=True)
                    ],
                }
            )
    return Chart(traces, _panels(panels))


def curves(lines: Iterable[tuple[str, pd.DataFrame]], column: str) -> Chart:
    """Curves over iterations.

    Args:
        lines: name and table of each curve; the table has the columns iteration and `column`.
        column: `loss` or `accuracy (%)`.
    """
    layout = {
        "height": 420,
        "xaxis": {"title": {"text": "iteration"}},
        "yaxis": {"title": {"text": column}, "automargin": True},
    }
    traces = [_curve(name, number, own, column) for number, (name, own) in enumerate(lines)]
    return Chart(traces, layout)


def speed_lines(table: pd.DataFrame) -> Chart:
    """Throughput against batch size, one line per model.

    Args:
        table: model, batch size, images/s, ± 95 % and repeats, in this order.
    """
    sizes = sorted(set(table["batch size"]))
    layout = {
        "height": 440,
        "xaxis": {
            "title": {"text": "batch size (images per iteration)"},
            "type": "log",
            "tickvals": sizes,
            "ticktext": [str(size) for size in sizes],
        },
        "yaxis": {"title": {"text": "images/s"}, "rangemode": "tozero", "automargin": True},
    }
    groups = table.groupby("model", sort=False)
    return Chart([_speeds(str(m), n, own) for n, (m, own) in enumerate(groups)], layout)


def _speeds(name: str, number: int, own: pd.DataFrame) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": plain(short(name)),
        "x": own["batch size"].tolist(),
        "y": own["images/s"].tolist(),
        "error_y": {"type": "data", "array": own["± 95 %"].tolist(), "visible": True},
        "marker": {"color": PALETTE[number % len(PALETTE)]},
        "hoverinfo": "text",
        "hovertext": [
            hover(name, f"batch size {size}: {speed:.4g} images/s", _interval(half, repeats))
            for size, speed, half, repeats in own[_OF_SPEED].itertuples(index=False)
        ],
    }


def _interval(half: float, repeats: int) -> str:
    if repeats == 1:
        return "one run: no interval"
    return f"± {half:.3g} (95 %, {repeats} repeats)"


def _curve(name: str, number: int, own: pd.DataFrame, column: str) -> dict[str, Any]:
    own = own.iloc[:: max(1, -(-len(own) // MOST_REPORTS))]
    pairs = zip(own["iteration"], own[column], strict=True)
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(own) < 50 else "lines",
        "name": plain(short(name)),
        "x": own["iteration"].tolist(),
        "y": own[column].tolist(),
        "line": {"color": PALETTE[number % len(PALETTE)]},
        "hoverinfo": "text",
        "hovertext": [hover(name, f"iteration {i}: {value:.4g}") for i, value in pairs],
    }


def _panels(panels: Sequence[str]) -> dict[str, Any]:
    share = 1 / len(panels)
    layout: dict[str, Any] = {
        "height": 90 + 130 * len(panels),
        "xaxis": {"title": {"text": "seconds since the first sample"}, "anchor": f"y{len(panels)}"},
    }
    if len(panels) == 1:
        layout["xaxis"]["anchor"] = "y"
    for number, quantity in enumerate(panels, 1):
        bottom = 1 - share * number
        layout[f"yaxis{number}" if number > 1 else "yaxis"] = {
            "title": {"text": plain(quantity), "font": {"size": 11}},
            "domain": [bottom + 0.03 * (number < len(panels)), bottom + share - 0.03],
            "rangemode": "tozero",
            "automargin": True,
        }
    return layout
