"""Chooses the reader of a file of counters by its content, not its name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from detbench.readers import ncu_messages
from detbench.readers.text import open_text, read_head


@dataclass(frozen=True)
class Launches:
    """Counters of each launch, from which utilization follows.

    Attributes:
        table: rows of `ncu_csv.SCHEMA`.
    """

    table: pd.DataFrame


@dataclass(frozen=True)
class Levels:
    """Levels of use from 0 to 10, from which no utilization follows.

    Attributes:
        table: rows of `nvprof_metrics.LEVELS`.
    """

    table: pd.DataFrame


def read_counters(path: Path, metrics: Collection[str]) -> Launches | Levels:
    """Read those of `metrics` in a report, CSV or text of Nsight Compute, or levels from nvprof.

    Raises:
        BadFileError: it is none of these, or it is damaged.
        MissingError: a package that the format needs is not installed.
    """
    if read_head(path, len(ncu_messages.MAGIC)) == ncu_messages.MAGIC:
        from detbench.readers.ncu_rep import read_ncu_rep

        return Launches(read_ncu_rep(path, metrics))
    # Each is imported where a file may need it.
    from detbench.readers import ncu_text, nvprof_metrics
    from detbench.readers.ncu_csv import read_ncu_csv

    with open_text(path) as lines:
        for line in lines:
            if line.startswith('"ID"'):
                break
            if ncu_text.is_launch(line):
                return Launches(ncu_text.read_ncu_text(path, metrics))
            if nvprof_metrics.is_nvprof(line):
                return Levels(nvprof_metrics.read_nvprof_metrics(path))
    return Launches(read_ncu_csv(path, metrics))
