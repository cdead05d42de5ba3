"""The table of the roofline, from counters of operations and memory traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from detbench.api.tables import of_file, stack
from detbench.gpus.peaks import Peaks, peaks
from detbench.gpus.profiles import profile_named
from detbench.utilization.described import NOTE, described
from detbench.utilization.roofline import beyond_peaks, roofline, uncounted

_COLLECT = "collect them: profile.sh nsight --roofline"


def roofline_table(
    launches: Mapping[Path, pd.DataFrame], gpu: str | None, top: int | None, window: str
) -> pd.DataFrame:
    """One row per kernel class; without `gpu`, a profile or NVML's name, the shares are missing.

    Raises:
        BadFileError: a file lacks the counters.
        UsageError: the catalogue has no such GPU.
    """
    most = Peaks() if gpu is None else peaks(profile_named(gpu), gpu)
    told = {file: [_of_peaks(gpu, most), *uncounted(found)] for file, found in launches.items()}
    tables = {
        file: of_file(file, _COLLECT, roofline, found, most, top).assign(
            **{NOTE: "; ".join(told[file])}
        )
        for file, found in launches.items()
    }
    kernels = sum(len(found) for found in launches.values())
    stacked = stack(tables, always=True)
    table = described(
        stacked,
        kind="core_utilization by roofline",
        title="Roofline, by kernel class",
        window=window,
        denominator="the kernels' own time (gpu__time_duration), and the peaks of the GPU",
        count=f"{kernels:,} kernels",
        notes=[
            *dict.fromkeys(note for notes in told.values() for note in notes),
            *beyond_peaks(stacked),
        ],
    )
    table.attrs["peaks"] = asdict(most)  # for its chart
    return table


def _of_peaks(gpu: str | None, most: Peaks) -> str:
    if gpu is None:
        return "Shares of peaks need the GPU: --gpu-profile NAME (detbench gpus --catalogue)."
    if not most.source:
        return f"No cited source states the peaks of {gpu}."
    return f"Peaks of {gpu}: {most.source}, without sparsity."
