"""Throughput of repeats: runs of equal facts and windows, with their 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from detbench.records.spec import RunRecord
from detbench.records.store import Run
from detbench.reporting.labels import facts, series
from detbench.reporting.measurements import Runs
from detbench.utilization.repeats import interval


@dataclass(frozen=True)
class Repeats:
    """Repeats of a throughput.

    Attributes:
        series: what they are of, but for the batch size; the same of all batch sizes.
        mean: images/s.
        half: half the width of its 95 % interval; None with one run.
    """

    series: str
    batch_size: int
    runs: Sequence[Run]
    mean: float
    half: float | None


def repeated(runs: Runs, mode: str) -> list[Repeats]:
    """The throughputs measured in a mode by runs that ended well, by series and batch size."""
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
    """The images/s that a training measured; None of an evaluation, and where there is none."""
    if record.throughput is None or not record.spec.train:
        return None
    return record.throughput.images_per_second


def speed_table(groups: Sequence[Repeats]) -> pd.DataFrame:
    """A row for each set of repeats: images/s, half their 95 % interval, and how many there are."""
    rows = [
        {
            "model": group.series,
            "batch size": group.batch_size,
            "images/s": group.mean,
            "± 95 %": group.half,
            "repeats": len(group.runs),
        }
        for group in groups
    ]
    return pd.DataFrame(rows).astype({"± 95 %": "float64"}) if rows else pd.DataFrame()
