"""Our memory CSV in the TBD suite's wide form: iterations in rows, modules in columns, whole MB."""

from __future__ import annotations

import pandas as pd

from detbench.readers import tbd_memory
from detbench.utilization.memory import is_tracked, peak

_ALLOCATED = ("(inside operators)", "(rounded up by the allocator)")
_CACHED = "(cached by the allocator)"
_EPOCH = 1  # our files have no epochs


def wide(parts: pd.DataFrame) -> pd.DataFrame:
    """The peak of every iteration in the form that `tbd_memory` reads; MB are 10^6 bytes.

    `peak_allocated` is the memory that the allocator had given out on a GPU, or that tensors held
    on a CPU, where no allocator reports; `peak_cached` is the memory that it had reserved. Both are
    taken at the moment when tensors held most. Weights and gradients have one column per module,
    where the suite has one per parameter. Other categories, except activations, are only part of
    `peak_allocated`.
    """
    rows = []
    for iteration, own in parts.groupby("iteration", sort=True):
        at = peak(own)
        allocated = at[is_tracked(at) | at["module"].isin(_ALLOCATED)]["bytes"].sum()
        cached = allocated + at[at["module"] == _CACHED]["bytes"].sum()
        row = {"epoch": _EPOCH, "iteration": iteration}
        row |= dict.fromkeys(("peak_allocated", "peak_cached", "current_cached"), cached)
        row["peak_allocated"] = allocated
        for total, category in tbd_memory.TOTALS.items():
            of_it = at[at["category"] == category]
            row[total] = of_it["bytes"].sum()
            if category != "activations":
                row |= _by_module(of_it, parts[parts["category"] == category], category)
        rows.append(row)
    table = pd.DataFrame(rows)
    in_bytes = table.columns[2:]
    table[in_bytes] = (table[in_bytes] / tbd_memory.MB).round()
    return table.astype("int64")


def _by_module(at: pd.DataFrame, all_parts: pd.DataFrame, category: str) -> dict[str, int]:
    suffix = "_grad" if category == "gradients" else ""
    sums = at.groupby("module")["bytes"].sum()
    modules = sorted(all_parts["module"].unique())
    return {f"{name or '(model)'}{suffix}": int(sums.get(name, 0)) for name in modules}
