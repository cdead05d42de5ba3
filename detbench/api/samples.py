"""Tables of monitoring: what was sampled beside a run."""

from __future__ import annotations

import pandas as pd

from detbench.api.files import Files, Monitoring, recordings
from detbench.api.tables import joined, only, stack
from detbench.errors import UsageError
from detbench.utilization import monitor
from detbench.utilization.described import described

MONITORING_LEVELS = ("gpu", "quantity")

_TITLES = {"quantity": "What was sampled, every sample weighing the same", "gpu": "Each GPU"}


def monitoring(files: Files, by: str = "quantity", *, device: str | None = None) -> pd.DataFrame:
    """Each GPU's utilization, memory, power, clocks and temperature, and the host's.

    Args:
        files: a run's monitoring.csv, or what nvidia-smi printed: paths, or what `read` gave.
        by: a row for each GPU and `quantity` (mean, percentiles), or for each `gpu` (energy by the
            trapezoid rule, throttling).
        device: only this GPU, as the file calls it, or `host`.

    Raises:
        BadFileError: a file cannot be read, or is damaged.
        UsageError: no such table or GPU.
    """
    if by not in MONITORING_LEVELS:
        raise UsageError(f"no table by '{by}'", f"known: {', '.join(MONITORING_LEVELS)}")
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
        window=joined(each.source.window for each in read),
        denominator="every sample weighs the same",
        count=f"{sum(len(found) for found in samples.values()):,} samples",
        notes=[f"n/a: {line}" for line in dict.fromkeys(lines)],
    )
