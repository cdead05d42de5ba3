"""Which reader takes a file of counters: the content decides, not the name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from detbench.readers import ncu_rep, nvprof_metrics
from detbench.readers.ncu_csv import read_ncu_csv
from detbench.readers.text import open_text, read_head


@dataclass(frozen=True)
class Launches:
    """Counters of each launch, which give utilization.

    Attributes:
        table: rows as `ncu_csv.SCHEMA` says.
    """

    table: pd.DataFrame


@dataclass(frozen=True)
class Levels:
    """Levels of use from 0 to 10, which give none.

    Attributes:
        table: rows as `nvprof_metrics.LEVELS` says.
    """

    table: pd.DataFrame


def read_counters(path: Path, metrics: Collection[str]) -> Launches | Levels:
    """Read a report or CSV of Nsight Compute with those of `metrics` it has, or nvprof's metrics.

    Raises:
        BadFileError: it is none of them, or damaged.
        MissingError: a package that its format needs is not installed.
    """
    if read_head(path, len(ncu_rep.MAGIC)) == ncu_rep.MAGIC:
        return Launches(ncu_rep.read_ncu_rep(path, metrics))
    with open_text(path) as lines:
        for line in lines:
            if line.startswith('"ID"'):
                break
            if nvprof_metrics.is_nvprof(line):
                return Levels(nvprof_metrics.read_nvprof_metrics(path))
    return Launches(read_ncu_csv(path, metrics))
