"""What was sampled beside runs: utilization, power and clocks over time."""

from __future__ import annotations

import pandas as pd

from detbench.reporting.charts.lines import MOST_SAMPLES, drawn_samples, sample_lines
from detbench.reporting.labels import labels, several
from detbench.reporting.measurements import MOST_MONITORED, Reading, Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section

_TITLE = "Monitoring"


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
    drawn = drawn_samples(samples)
    if drawn.empty:
        return None
    longest = int(samples.groupby("gpu").size().max())
    not_told = sorted({line for cell in samples["not told"] for line in str(cell).splitlines()})
    return Exhibit(
        name,
        drawn,
        Basis(
            f"the whole run, {samples['time (s)'].max():,.0f} s, its loading included",
            "every sample weighs the same",
            f"{several(longest, 'sample')} of {several(samples['gpu'].nunique(), 'device')},"
            " the host counting as one",
        ),
        sources=[reading.file],
        chart=sample_lines(drawn),
        notes=[
            *(
                [
                    f"Of every stretch the lowest and the highest sample are drawn and in the CSV:"
                    f" at most {MOST_SAMPLES} points a line. The file has all."
                ]
                if longest > MOST_SAMPLES
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
