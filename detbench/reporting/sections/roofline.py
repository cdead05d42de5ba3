"""The roofline: whether arithmetic or memory traffic bounds each class of kernels."""

from __future__ import annotations

import pandas as pd

from detbench.gpus.peaks import Peaks
from detbench.reporting.charts.parts import MOST_ROWS
from detbench.reporting.charts.roofline import drawn, roofline_points
from detbench.reporting.efficiency import peaks_of
from detbench.reporting.labels import facts, labels, several, windows
from detbench.reporting.measurements import Counted, Reading, Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section
from detbench.utilization.roofline import beyond_peaks, uncounted
from detbench.utilization.roofline import roofline as roofline_table

_TITLE = "Roofline"


def roofline(runs: Runs) -> Section | LeftOut:
    """One picture per GPU: the newest counters of each model and batch size on it."""
    found = runs.counters
    newest = {
        tuple(facts(reading.record).items()): reading
        for reading in found.read
        if reading.value.for_roofline is not None
    }
    if not newest:
        return LeftOut(_TITLE, "no counters of operations: mode nsight --roofline", found.problems)
    gpus: dict[str, list[Reading[Counted]]] = {}
    for reading in newest.values():
        gpus.setdefault(reading.record.spec.gpu_profile, []).append(reading)
    return Section(
        _TITLE, [_of_gpu(gpu, own) for gpu, own in gpus.items()], problems=found.problems
    )


def _of_peaks(peaks: Peaks, gpu: str) -> str:
    if not peaks.source:
        return f"No cited source states the peaks of {gpu}: there is no roof."
    boards = " Its boards differ in bandwidth, and no record names the board: there is no slope."
    return f"Roofs: {peaks.source}, without sparsity.{'' if peaks.memory else boards}"


def _of_gpu(gpu: str, own: list[Reading[Counted]]) -> Exhibit:
    peaks, _ = peaks_of(own[-1].record)
    names = labels([reading.record for reading in own], with_mode=False)
    parts = [
        roofline_table(reading.value.for_roofline, peaks).assign(run=name)
        for name, reading in zip(names, own, strict=True)
        if reading.value.for_roofline is not None
    ]
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "run", table.pop("run"))
    unplaced = len(table) - len(drawn(table))
    return Exhibit(
        f"Operations and memory traffic on {gpu}",
        table,
        Basis(
            windows([reading.record for reading in own]),
            "the kernels' own time (gpu__time_duration), and the peaks of the GPU",
            f"{several(int(table['kernels'].sum()), 'kernel')} in"
            f" {several(len(own), 'file')} of counters",
        ),
        sources=[reading.file for reading in own],
        chart=roofline_points(table.tail(MOST_ROWS), peaks),
        notes=[
            _of_peaks(peaks, gpu),
            *dict.fromkeys(
                note
                for reading in own
                if reading.value.for_roofline is not None
                for note in uncounted(reading.value.for_roofline)
            ),
            *beyond_peaks(table),
            "The area of a point is its class's share of the run's kernel time.",
            *(
                [f"{several(unplaced, 'class')} without counted operations: only in the CSV."]
                if unplaced
                else []
            ),
        ],
    )
