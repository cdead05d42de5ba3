"""What took the device's time: kernel classes, and the gaps between kernels."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from detbench.reporting.charts.bars import gap_bars, share_stacks
from detbench.reporting.charts.parts import newest
from detbench.reporting.labels import device_name, labels, several, windows
from detbench.reporting.measurements import Reading, Runs, TimelineTables
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section

_CLASSES, _GAPS = "Kernel classes", "Idle gaps"
_NONE = "no timeline: modes nvprof and torch record one"


def kernel_classes(runs: Runs) -> Section | LeftOut:
    """One stacked bar per timeline and device: the share of each class in the kernel time."""
    found = runs.timelines
    if not found.read:
        return LeftOut(_CLASSES, _NONE, found.problems)
    table = _stacked(found.read, "classes")
    exhibit = Exhibit(
        "Time by class of kernel",
        table,
        Basis(
            windows(found.records) + "; in a timeline its profiled iterations",
            "summed time of the device's kernels (for a CPU: its operators, without their callees)",
            f"{several(len(found.read), 'timeline')}, {int(table['count'].sum()):,} kernels or"
            " operators",
        ),
        sources=[reading.file for reading in found.read],
        chart=share_stacks(table, "class"),
        notes=[
            "Classes are derived from kernel names.",
            *newest(table["run"].nunique()),
            *timeline_notes(found.read),
        ],
    )
    return Section(_CLASSES, [exhibit], problems=found.problems)


def idle_gaps(runs: Runs) -> Section | LeftOut:
    """One bar per timeline and device: the share of the window in which no kernel ran."""
    found = runs.timelines
    if not found.read:
        return LeftOut(_GAPS, _NONE, found.problems)
    table = _stacked(found.read, "gaps")
    exhibit = Exhibit(
        "Share of the window in which nothing ran",
        table,
        Basis(
            windows(found.records) + "; in a timeline its profiled iterations",
            "wall time of the window; a gap is a stretch in which no kernel (for a CPU: no"
            " operator) ran on the device",
            f"{several(len(found.read), 'timeline')}, {int(table['gaps'].sum()):,} gaps",
        ),
        sources=[reading.file for reading in found.read],
        chart=gap_bars(table),
        notes=[*newest(len(table)), *timeline_notes(found.read)],
    )
    return Section(_GAPS, [exhibit], problems=found.problems)


def timeline_notes(read: Sequence[Reading[TimelineTables]]) -> list[str]:
    """What a reader of figures from timelines has to know of each."""
    names = labels([reading.record for reading in read])
    return [
        f"{name}: {note}"
        for name, reading in zip(names, read, strict=True)
        for note in reading.value.notes
    ]


def _stacked(read: Sequence[Reading[TimelineTables]], which: str) -> pd.DataFrame:
    parts = []
    for reading, label in zip(read, labels([r.record for r in read]), strict=True):
        own: pd.DataFrame = getattr(reading.value, which)
        names = [f"{label} ({device_name(device)})" for device in own["device"]]
        parts.append(own.drop(columns="device").assign(run=names))
    table = pd.concat(parts, ignore_index=True)
    return table[["run", *(c for c in table if c != "run")]]
