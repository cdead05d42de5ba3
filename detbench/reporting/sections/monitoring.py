"""What was sampled beside runs: utilization, power and clocks over time."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from detbench.reporting.drawing import PALETTE, hover, plain, thinned
from detbench.reporting.labels import labels, several
from detbench.reporting.measurements import MOST_MONITORED, Reading, Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section

_TITLE = "Monitoring"
_OF_GPUS: Final = ("utilization (%)", "power (W)", "SM clock (MHz)", "temperature (C)")
_OF_HOST: Final = ("CPU (%)", "run's CPU (cores)", "run's memory (MiB)")
_MOST_POINTS = 120  # of a line
_TIME = "time (s)"


def monitoring(runs: Runs) -> Section | LeftOut:
    """A folded chart a run: a panel a quantity, a line a GPU; the host's where there is no GPU."""
    found = runs.monitoring
    names = labels(found.records)
    exhibits = []
    for name, reading in zip(names, found.read, strict=True):
        if (exhibit := _lines(name, reading, len(runs.items))) is not None:
            exhibits.append(exhibit)
    if not exhibits:
        why = "no run was sampled for two moments: --monitor-every sets how often"
        return LeftOut(_TITLE, why, found.problems)
    return Section(_TITLE, exhibits, problems=found.problems)


def _lines(name: str, reading: Reading[pd.DataFrame], num_runs: int) -> Exhibit | None:
    samples = reading.value
    panels = [q for q in _OF_GPUS if q in samples and samples[q].notna().any()]
    panels = panels or [q for q in _OF_HOST if q in samples and samples[q].notna().any()]
    if not panels or samples[_TIME].nunique() < 2:
        return None
    traces: list[dict[str, Any]] = []
    drawn: list[pd.DataFrame] = []
    for gpu_number, (gpu, own) in enumerate(samples.groupby("gpu", sort=False)):
        for panel, quantity in enumerate(panels, 1):
            times, values = thinned(own[_TIME], own[quantity], _MOST_POINTS)
            if not times:
                continue
            drawn.append(
                pd.DataFrame({"gpu": gpu, "quantity": quantity, _TIME: times, "value": values})
            )
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": plain(f"GPU {gpu}" if gpu != "host" else gpu),
                    "legendgroup": plain(gpu),
                    "showlegend": panel == 1,
                    "x": times,
                    "y": values,
                    "yaxis": f"y{panel}" if panel > 1 else "y",
                    "line": {"color": PALETTE[gpu_number % len(PALETTE)], "width": 1.5},
                    "hoverinfo": "text",
                    "hovertext": [
                        hover(str(gpu), f"{time:.0f} s: {value:.4g} {quantity}")
                        for time, value in zip(times, values, strict=True)
                    ],
                }
            )
    longest = int(samples.groupby("gpu").size().max())
    not_told = sorted({line for cell in samples["not told"] for line in str(cell).splitlines()})
    return Exhibit(
        name,
        pd.concat(drawn, ignore_index=True),
        Basis(
            f"the whole run, {samples[_TIME].max():,.0f} s, its loading included",
            "every sample weighs the same",
            f"{several(longest, 'sample')} of {several(samples['gpu'].nunique(), 'device')},"
            " the host counting as one",
        ),
        sources=[reading.file],
        traces=traces,
        layout=_layout(panels),
        notes=[
            *(
                [
                    f"Of every stretch the lowest and the highest sample are drawn and in the CSV:"
                    f" at most {_MOST_POINTS} points a line. The file has all."
                ]
                if longest > _MOST_POINTS
                else []
            ),
            *(
                [f"The newest {MOST_MONITORED} of {num_runs} runs are on this page."]
                if num_runs > MOST_MONITORED
                else []
            ),
            *([f"Not told: {'; '.join(not_told)}."] if not_told else []),
        ],
        folded=True,
    )


def _layout(panels: list[str]) -> dict[str, Any]:
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
