"""Where the memory went at the peak of the measured iterations."""

from __future__ import annotations

import pandas as pd

from detbench.readers.memory_curve import UNATTRIBUTED

_MIB = 1 << 20
_SNAPSHOT = ["iteration", "phase"]


def is_tracked(parts: pd.DataFrame) -> pd.Series[bool]:
    """Which rows tensors hold; the others are what the system tells beyond them.

    Those are `unattributed` and say in brackets where the memory is; a file of others whose
    total is all that an allocator gave has none.
    """
    outside = (parts["category"] == UNATTRIBUTED) & parts["module"].str.startswith("(")
    return ~outside


def peak(parts: pd.DataFrame) -> pd.DataFrame:
    """The rows of the snapshot in which tensors held most; `parts` as `memory_csv` has them.

    What no tensor explains is read at that moment, and does not choose it: a process's resident
    memory may be higher at another one.
    """
    snapshots = parts.groupby(_SNAPSHOT, sort=False, dropna=False).ngroup()
    tracked = parts["bytes"].where(is_tracked(parts), 0).groupby(snapshots).sum()
    chosen: pd.DataFrame = parts[snapshots == tracked.idxmax()]
    return chosen


def by(parts: pd.DataFrame, level: str) -> pd.DataFrame:
    """The peak's bytes by `category` or `module`, or every phase's peak by `phase`.

    MiB are 2^20 bytes; shares are of the snapshot's total. By module there is also what it held
    at the highest forward and backward of the file, where it has such phases.
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
    return _with_passes(grouped, parts) if level == "module" else grouped


def _with_passes(table: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    """Columns for the peaks of forward and backward; rows that have a part in them only last."""
    keys = ["module", "category"]
    for phase in ("forward", "backward"):
        own = parts[parts["phase"] == phase]
        if own.empty:
            continue
        column = f"{phase} (MiB)"
        sizes = (peak(own).groupby(keys)["bytes"].sum() / _MIB).rename(column)
        table = table.merge(sizes.reset_index(), on=keys, how="outer", sort=False)
    table = table.fillna(dict.fromkeys(table.columns.drop(keys), 0.0))
    held = [name for name in table.columns if name.endswith("(MiB)")]
    order = table[held].max(axis=1).sort_values(ascending=False, kind="stable").index
    return table.loc[order].sort_values("memory (MiB)", ascending=False, kind="stable")


def by_batch_size(files: dict[int, pd.DataFrame]) -> pd.DataFrame:
    """Bytes at the peak by category against the images a process trains on at once.

    With two or more batch sizes also the straight line through them by least squares: bytes an
    image (its slope), the fixed part (its intercept), and how far it is off at most.
    """
    sizes = sorted(files)
    table = pd.DataFrame({size: _summed(files[size]) for size in sizes}).fillna(0.0)
    sums = [name for name in ("tracked", UNATTRIBUTED, "total") if name in table.index]
    by_size = table.drop(index=sums)[sizes[-1]].sort_values(ascending=False, kind="stable")
    table = table.loc[[*by_size.index, *sums]]
    shown = table.rename(columns=lambda size: f"batch size {size} (MiB)")
    if len(sizes) > 1:
        mean = sum(sizes) / len(sizes)
        spread = sum((size - mean) ** 2 for size in sizes)
        slope = sum((size - mean) * table[size] for size in sizes) / spread
        fixed = table.mean(axis=1) - slope * mean
        shown["per image (MiB)"] = slope
        shown["fixed (MiB)"] = fixed
        misses = [(table[size] - fixed - slope * size).abs() for size in sizes]
        shown["largest miss (MiB)"] = pd.concat(misses, axis=1).max(axis=1)
    return shown.rename_axis("category").reset_index()


def _summed(parts: pd.DataFrame) -> pd.Series[float]:
    """MiB at the peak by category, tracked and in total."""
    at = peak(parts)
    sums = at.groupby("category")["bytes"].sum()
    sums["tracked"] = at["bytes"].where(is_tracked(at), 0).sum()
    sums["total"] = at["bytes"].sum()
    return sums / _MIB
