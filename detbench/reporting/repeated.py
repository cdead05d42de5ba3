"""Throughput of repeats (runs with equal facts and windows), with its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from detbench.records.spec import RunRecord, mean_energy
from detbench.records.store import Run
from detbench.reporting.labels import facts, series
from detbench.reporting.measurements import Runs
from detbench.utilization.repeats import interval


@dataclass(frozen=True)
class Repeats:
    """Repeats and their throughput.

    Attributes:
        series: name of the runs without the batch size; it is the same for all batch sizes.
        mean: mean throughput in images/s.
        half: half the width of its 95 % interval in images/s; None for one run.
    """

    series: str
    batch_size: int
    runs: Sequence[Run]
    mean: float
    half: float | None


def repeated(runs: Runs, mode: str) -> list[Repeats]:
    """The throughputs of successful runs in a mode, sorted by series and batch size."""
    found: dict[tuple[object, ...], list[Run]] = {}
    for run in runs.items:
        record = run.record
        if record.status == "ok" and record.spec.mode == mode and measured(record) is not None:
            key = (*facts(record).items(), str(record.spec.window))
            found.setdefault(key, []).append(run)
    groups = list(found.values())
    names = series([group[0][1] for group in groups])
    made = []
    for name, group in zip(names, groups, strict=True):
        middle, half = interval([measured(r) or 0.0 for _, r in group])
        made.append(Repeats(name, group[0][1].spec.batch_size, group, middle, half))
    return sorted(made, key=lambda each: (each.series, each.batch_size))


def measured(record: RunRecord) -> float | None:
    """The throughput of a training in images/s; None for an evaluation, or if not measured."""
    if record.throughput is None or not record.spec.train:
        return None
    return record.throughput.images_per_second


def speed_table(groups: Sequence[Repeats]) -> pd.DataFrame:
    """One row per set of repeats: mean images/s, half of its 95 % interval, and their number.

    Where any has it, the energy stands beside: the mean J/image.
    """
    rows = [
        {
            "model": group.series,
            "batch size": group.batch_size,
            "images/s": group.mean,
            "± 95 %": group.half,
            "J/image": mean_energy(r.throughput for _, r in group.runs if r.throughput),
            "repeats": len(group.runs),
        }
        for group in groups
    ]
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows).astype({"± 95 %": "float64", "J/image": "float64"})
    return table.drop(columns="J/image") if table["J/image"].isna().all() else table
