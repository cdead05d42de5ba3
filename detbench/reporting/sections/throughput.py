"""Throughput against batch size, with the intervals over repeats."""

from __future__ import annotations

from detbench.records.store import RECORD
from detbench.reporting.charts.lines import speed_lines
from detbench.reporting.labels import several, windows
from detbench.reporting.measurements import Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section
from detbench.reporting.repeated import repeated, speed_table

_TITLE = "Throughput against batch size"


def throughput(runs: Runs) -> Section | LeftOut:
    """A chart with one line per model."""
    groups = repeated(runs, "noprofile")
    if not groups:
        return LeftOut(_TITLE, "no run in mode noprofile succeeded")
    table = speed_table(groups)
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
        chart=speed_lines(table),
        notes=[f"{several(alone, 'point')} without interval: one run each."] if alone else [],
    )
    return Section(_TITLE, [exhibit])
