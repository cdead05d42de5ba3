"""Where the memory went at the peak of the measured iterations."""

from __future__ import annotations

import pandas as pd

_MIB = 1 << 20
_SNAPSHOT = ["iteration", "phase"]


def peak(parts: pd.DataFrame) -> pd.DataFrame:
    """The rows of the snapshot with the largest sum; `parts` as `memory_csv` returns them."""
    snapshots = parts.groupby(_SNAPSHOT, sort=False, dropna=False)
    highest = int(snapshots["bytes"].sum().argmax())
    chosen: pd.DataFrame = parts[snapshots.ngroup() == highest]
    return chosen


def by(parts: pd.DataFrame, level: str) -> pd.DataFrame:
    """The peak's bytes by `category` or `module`, or every phase's peak by `phase`.

    MiB are 2^20 bytes; shares are of the snapshot's total.
    """
    if level == "phase":
        sums = parts.groupby([*_SNAPSHOT, "category"], sort=False, dropna=False)["bytes"].sum()
        table = sums.unstack("category", fill_value=0, sort=False)
        table["total"] = table.sum(axis=1)
        table.columns = [f"{name} (MiB)" for name in table.columns]
        return (table / _MIB).reset_index()
    at_peak = peak(parts)
    keys = ["category"] if level == "category" else ["module", "category"]
    grouped = at_peak.groupby(keys)["bytes"].sum().sort_values(ascending=False).reset_index()
    grouped["share (%)"] = 100 * grouped["bytes"] / grouped["bytes"].sum()
    grouped.insert(len(keys), "memory (MiB)", grouped.pop("bytes") / _MIB)
    return grouped
