"""Monitoring tables: samples taken during a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from detbench.api.files import Files, Monitoring, recordings
from detbench.api.tables import check_level, joined, only, stack
from detbench.utilization import monitor
from detbench.utilization.described import described

MONITORING_LEVELS = ("gpu", "quantity")

_TITLES = {"quantity": "Samples, all with equal weight", "gpu": "By GPU"}


def monitoring(files: Files, by: str = "quantity", *, device: str | None = None) -> pd.DataFrame:
    """Utilization, memory, power, clocks and temperature of each GPU, and the host's load.

    Args:
        files: a run's monitoring.csv, or output of nvidia-smi: paths or recordings.
        by: one row per GPU and `quantity` (mean, percentiles), or per `gpu` (energy, by its counter
            or the trapezoidal rule, and throttling).
        device: only this GPU, by its name in the file, or `host`.

    Raises:
        BadFileError: a file cannot be read or is damaged.
        UsageError: there is no such table or GPU.
    """
    check_level(by, MONITORING_LEVELS)
    read = recordings(files, Monitoring, "monitoring")
    samples = {
        each.path: only(each.path, each.tables["samples"], "gpu", device, "GPU") for each in read
    }
    make = monitor.by_quantity if by == "quantity" else monitor.by_gpu
    table = stack({file: make(found) for file, found in samples.items()})
    lines = [line for found in samples.values() for cell in found["not told"].unique()
             for line in str(cell).splitlines()]  # fmt: skip
    return described(
        table,
        kind=f"monitoring by {by}",
        title=_TITLES[by],
        window=joined(each.window for each in read),
        denominator="all samples, with equal weight",
        count=f"{sum(len(found) for found in samples.values()):,} samples",
        notes=[*(f"n/a: {line}" for line in dict.fromkeys(lines)), *_doubts(samples.values())],
    )


def _doubts(samples: Iterable[pd.DataFrame]) -> Iterator[str]:
    """What makes the samples of some GPUs doubtful."""
    for found in samples:
        for gpu, note in found.groupby("gpu", sort=False)["note"].first().items():
            if note:
                yield f"GPU {gpu}: {note}"
