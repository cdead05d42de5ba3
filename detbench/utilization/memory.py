"""Where the memory went at the peak of the measured iterations."""

from __future__ import annotations

import pandas as pd

from detbench.readers.memory_curve import UNATTRIBUTED

_MIB = 1 << 20
_SNAPSHOT = ["iteration", "phase"]


def is_tracked(parts: pd.DataFrame) -> pd.Series[bool]:
    """Which rows are memory held by tensors; the others are what the system reports beyond it.

    Those others are `unattributed` and have the place of the memory in brackets. A file of another
    tool, whose total is the memory from an allocator, has none.
    """
    outside = (parts["category"] == UNATTRIBUTED) & parts["module"].str.startswith("(")
    return ~outside


def peak(parts: pd.DataFrame) -> pd.DataFrame:
    """The rows of the snapshot in which tensors held most; `parts` as `memory_csv` returns them.

    Memory that no tensor explains is read at that moment but does not choose it: the resident
    memory of a process may be higher at another moment.
    """
    snapshots = parts.groupby(_SNAPSHOT, sort=False, dropna=False).ngroup()
    tracked = parts["bytes"].where(is_tracked(parts), 0).groupby(snapshots).sum()
    chosen: pd.DataFrame = parts[snapshots == tracked.idxmax()]
    return chosen


def by(parts: pd.DataFrame, level: str) -> pd.DataFrame:
    """The peak's bytes by `category` or `module`, or every phase's peak by `phase`.

    MiB are 2^20 bytes; shares are of the snapshot's total. By module there is also the memory at
    the highest forward and backward phase of the file, if it has such phases.
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
    """Add columns for the peaks of forward and backward; rows that are only in these come last."""
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


_ALLOCATOR = {
    "peak (bytes)": "peak (MiB)",
    "before (bytes)": "before (MiB)",
    "reserved at peak (bytes)": "reserved then (MiB)",
    "requested at end (bytes)": "requested at end (MiB)",
    "active at end (bytes)": "active at end (MiB)",
    "reserved at end (bytes)": "reserved at end (MiB)",
}


def by_allocator(allocator: pd.DataFrame) -> pd.DataFrame:
    """One row per GPU: the peak of a snapshot and its end; rows of `memory_snapshot.ALLOCATOR`.

    MiB are 2^20 bytes. The peak is what was held before the recording and what was allocated in it.
    """
    table = allocator if allocator["note"].any() else allocator.drop(columns="note")
    table = table.rename(columns=_ALLOCATOR)
    table[list(_ALLOCATOR.values())] /= _MIB
    own = table["peak (MiB)"] - table["before (MiB)"]
    table.insert(list(table).index("reserved then (MiB)"), "in recording (MiB)", own)
    return table


def by_batch_size(files: dict[int, pd.DataFrame]) -> pd.DataFrame:
    """Bytes at the peak by category, for each batch size of one process.

    Two or more batch sizes add the straight line through them by least squares: bytes per image
    (its slope), the fixed part (its intercept), and its largest error.
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
    """MiB at the peak: by category, tracked by tensors, and in total."""
    at = peak(parts)
    sums = at.groupby("category")["bytes"].sum()
    sums["tracked"] = at["bytes"].where(is_tracked(at), 0).sum()
    sums["total"] = at["bytes"].sum()
    return sums / _MIB
