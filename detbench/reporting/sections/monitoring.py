"""Samples taken during runs: utilization, power and clocks over time."""

from __future__ import annotations

import pandas as pd

from detbench.reporting.charts.lines import MOST_SAMPLES, drawn_samples, sample_lines
from detbench.reporting.labels import labels, several
from detbench.reporting.measurements import MOST_MONITORED, Reading, Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section

_TITLE = "Monitoring"


def monitoring(runs: Runs) -> Section | LeftOut:
    """One folded chart per run, with a panel per quantity; the host's if it has no GPU."""
    found = runs.monitoring
    names = labels(found.records)
    exhibits = []
    for name, reading in zip(names, found.read, strict=True):
        if (exhibit := _lines(name, reading, len(runs.items))) is not None:
            exhibits.append(exhibit)
    if not exhibits:
        why = "no run has two samples: --monitor-every sets the interval"
        return LeftOut(_TITLE, why, found.problems)
    return Section(_TITLE, exhibits, problems=found.problems)


def _lines(name: str, reading: Reading[pd.DataFrame], num_runs: int) -> Exhibit | None:
    samples = reading.value
    drawn = drawn_samples(samples)
    if drawn.empty:
        return None
    longest = int(samples.groupby("gpu").size().max())
    not_told = _by_reason({line for cell in samples["not told"] for line in str(cell).splitlines()})
    return Exhibit(
        name,
        drawn,
        Basis(
            f"the whole run, {samples['time (s)'].max():,.0f} s, its loading included",
            "all samples, with equal weight",
            f"{several(longest, 'sample')} of {several(samples['gpu'].nunique(), 'device')},"
            " including the host",
        ),
        sources=[reading.file],
        chart=sample_lines(drawn),
        notes=[
            *(
                [
                    f"The chart and the CSV have the lowest and the highest sample of each stretch:"
                    f" at most {MOST_SAMPLES} points per line. The file has all samples."
                ]
                if longest > MOST_SAMPLES
                else []
            ),
            *(
                [f"The newest {MOST_MONITORED} of {num_runs} runs are on this page."]
                if num_runs > MOST_MONITORED
                else []
            ),
            *([f"Not reported: {not_told}."] if not_told else []),
        ],
        folded=True,
    )


def _by_reason(lines: set[str]) -> str:
    """Lines `quantity: why` in one: before Hopper a dozen quantities share a reason."""
    lacking: dict[str, list[str]] = {}
    for line in sorted(lines):
        quantity, _, why = line.partition(": ")
        lacking.setdefault(why, []).append(quantity)
    return "; ".join(f"{', '.join(quantities)}: {why}" for why, quantities in lacking.items())
