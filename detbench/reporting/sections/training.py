"""Training curves: losses, and the accuracy of each evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from detbench.readers.training_log import TrainingLog, metrics_of
from detbench.reporting.charts.lines import MOST_REPORTS, curves
from detbench.reporting.labels import ACCURACIES, labels, several
from detbench.reporting.measurements import Reading, Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section

_TITLE = "Training curves and AP"
_MOST_RUNS = 20  # most curves that can be told apart in one chart

Named = Sequence[tuple[str, Reading[TrainingLog]]]


def training(runs: Runs) -> Section | LeftOut:
    """All losses of one training, or the total losses of several; AP by iteration."""
    found = [r for r in runs.logs.read if len(r.value.reports) > 1 or len(r.value.evaluations)]
    problems = runs.logs.problems
    if not found:
        return LeftOut(_TITLE, "no training was long enough to report its loss twice", problems)
    named = list(zip(labels([r.record for r in found]), found, strict=True))
    exhibits = [e for e in (_losses(named), _accuracy(named)) if e is not None]
    return Section(_TITLE, exhibits, problems=problems)


def _losses(named: Named) -> Exhibit | None:
    tables = []
    for name, reading in named:
        told = reading.value.curves
        losses = [str(c) for c in told if "loss" in str(c) and not told[c].isna().all()]
        if len(named) > 1:
            losses = [c for c in losses if c == "total_loss"]
        for loss in losses:
            own = told[["training", "iteration", loss]].rename(columns={loss: "loss"})
            tables.append(own.assign(run=name, name=loss))
    if not tables:
        return None
    table = pd.concat(tables, ignore_index=True)[["run", "name", "training", "iteration", "loss"]]
    keys = ["name"] if len(named) == 1 else ["run", "training"]
    lines = list(table.groupby(keys, sort=False))[-_MOST_RUNS:]
    reports = sum(len(reading.value.reports) for _, reading in named)
    thinned = any(len(own) > MOST_REPORTS for _, own in lines)
    return Exhibit(
        "Loss",
        table,
        Basis(
            "all iterations of each training, counted from 0",
            "the loss in each report (the median over the iterations since the previous one)",
            f"{several(len(named), 'training')}, {several(reports, 'report')}",
        ),
        sources=[reading.file for _, reading in named],
        chart=curves(
            (
                (" ".join(map(str, key)) if len(named) == 1 else str(key[0]), own)
                for key, own in lines
            ),
            "loss",
        ),
        notes=[
            *_drawn(len(named)),
            *([f"Curves of more than {MOST_REPORTS} reports are thinned."] if thinned else []),
        ],
    )


def _accuracy(named: Named) -> Exhibit | None:
    rows = []
    for name, reading in named:
        evaluations = reading.value.evaluations
        for metric in metrics_of(evaluations):
            if metric.endswith(ACCURACIES):
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
        "Accuracy of each evaluation",
        table,
        Basis(
            "the whole val split, after the given iteration, counted from 0",
            "AP in percent, by pycocotools' or VOC's rules",
            f"{several(table['run'].nunique(), 'training')}, {several(len(table), 'value')}",
        ),
        sources=[reading.file for _, reading in named if len(reading.value.evaluations)],
        chart=curves(
            (
                (str(metric) if len(named) == 1 else f"{run} {metric}", own)
                for (run, metric), own in lines
            ),
            "accuracy (%)",
        ),
        notes=_drawn(len(named)),
    )


def _drawn(number: int) -> list[str]:
    return [f"The newest {_MOST_RUNS} curves are drawn; the CSV has all."] * (number > _MOST_RUNS)
