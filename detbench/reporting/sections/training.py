"""Training curves: the losses, and the accuracy of every evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from detbench.readers.training_log import TrainingLog, metrics_of
from detbench.reporting.drawing import PALETTE, hover, plain, short
from detbench.reporting.labels import labels, several
from detbench.reporting.measurements import Reading, Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section

_TITLE = "Training curves and AP"
_MOST_RUNS = 20  # curves of one chart that can still be told apart
_MOST_POINTS = 1000  # of a curve
_ACCURACIES = (" AP", " mAP", " PQ")

Named = Sequence[tuple[str, Reading[TrainingLog]]]


def training(runs: Runs) -> Section | LeftOut:
    """The losses of a training, or the total of several; AP by iteration."""
    found = [r for r in runs.logs.read if len(r.value.reports) > 1 or len(r.value.evaluations)]
    problems = runs.logs.problems
    if not found:
        return LeftOut(_TITLE, "no training was long enough for two reports of its loss", problems)
    named = list(zip(labels([r.record for r in found]), found, strict=True))
    exhibits = [e for e in (_losses(named), _accuracy(named)) if e is not None]
    return Section(_TITLE, exhibits, problems=problems)


def _losses(named: Named) -> Exhibit | None:
    tables = []
    for name, reading in named:
        curves = reading.value.curves
        losses = [str(c) for c in curves if "loss" in str(c) and not curves[c].isna().all()]
        if len(named) > 1:
            losses = [c for c in losses if c == "total_loss"]
        for loss in losses:
            own = curves[["training", "iteration", loss]].rename(columns={loss: "loss"})
            tables.append(own.assign(run=name, name=loss))
    if not tables:
        return None
    table = pd.concat(tables, ignore_index=True)[["run", "name", "training", "iteration", "loss"]]
    keys = ["name"] if len(named) == 1 else ["run", "training"]
    lines = list(table.groupby(keys, sort=False))[-_MOST_RUNS:]
    reports = sum(len(reading.value.reports) for _, reading in named)
    thinned = any(len(own) > _MOST_POINTS for _, own in lines)
    return Exhibit(
        "Loss",
        table,
        Basis(
            "all iterations of each training, counted from 0",
            "the loss as each report has it (the median of the iterations since the one before)",
            f"{several(len(named), 'training')}, {several(reports, 'report')}",
        ),
        sources=[reading.file for _, reading in named],
        traces=[
            _line(" ".join(map(str, key)) if len(named) == 1 else str(key[0]), number, own, "loss")
            for number, (key, own) in enumerate(lines)
        ],
        layout=_layout("loss"),
        notes=[
            *_drawn(len(named)),
            *([f"Of more than {_MOST_POINTS} reports every n-th is drawn."] if thinned else []),
        ],
    )


def _accuracy(named: Named) -> Exhibit | None:
    rows = []
    for name, reading in named:
        evaluations = reading.value.evaluations
        for metric in metrics_of(evaluations):
            if metric.endswith(_ACCURACIES):
                told = evaluations[["iteration", metric]].dropna()
                rows += [
                    {"run": name, "metric": metric, "iteration": int(i), "accuracy (%)": value}
                    for i, value in told.itertuples(index=False)
                ]
    if not rows:
        return None
    table = pd.DataFrame(rows)
    lines = list(table.groupby(["run", "metric"], sort=False))[-_MOST_RUNS:]
    return Exhibit(
        "Accuracy of every evaluation",
        table,
        Basis(
            "the whole val split, after the iteration named, counted from 0",
            "AP in percent, by pycocotools' or VOC's rules",
            f"{several(table['run'].nunique(), 'training')}, {several(len(table), 'figure')}",
        ),
        sources=[reading.file for _, reading in named if len(reading.value.evaluations)],
        traces=[
            _line(
                str(metric) if len(named) == 1 else f"{run} {metric}", number, own, "accuracy (%)"
            )
            for number, ((run, metric), own) in enumerate(lines)
        ],
        layout=_layout("accuracy (%)"),
        notes=_drawn(len(named)),
    )


def _line(name: str, number: int, own: pd.DataFrame, column: str) -> dict[str, Any]:
    own = own.iloc[:: max(1, -(-len(own) // _MOST_POINTS))]
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


def _layout(title: str) -> dict[str, Any]:
    return {
        "height": 420,
        "xaxis": {"title": {"text": "iteration"}},
        "yaxis": {"title": {"text": title}, "automargin": True},
    }


def _drawn(number: int) -> list[str]:
    return [f"The newest {_MOST_RUNS} curves are drawn; the CSV has all."] * (number > _MOST_RUNS)
