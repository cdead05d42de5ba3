"""Levels of use as nvprof grades them, from 0 (idle) to 10 (max). They are not percentages."""

from __future__ import annotations

import pandas as pd

from detbench.utilization.kernel_classes import kernel_class

TITLE = "Levels as nvprof grades them, 0 (idle) to 10 (max), not percentages"


def by(levels: pd.DataFrame, level: str, top: int | None = None) -> pd.DataFrame:
    """One row per unit for the whole `file`, or for each `device`, kernel `class` or `kernel` name.

    The level is the average that nvprof rounded, weighted by launches; groups are in descending
    order of launches, at most `top` of them. `levels` are the rows that
    `detbench.readers.nvprof_metrics` returns.
    """
    table = levels.assign(weighted=levels["average"] * levels["invocations"])
    keys = ["unit"] if level == "file" else [level, "unit"]
    if level == "class":
        table["class"] = table["kernel"].map(kernel_class)
    grouped = table.groupby(keys, sort=False).agg(
        weighted=("weighted", "sum"), low=("min", "min"), high=("max", "max"),
        kernels=("invocations", "sum"),
    )  # fmt: skip
    rows = grouped.reset_index()
    if level != "file":
        order = rows.groupby(level)["kernels"].max().sort_values(ascending=False).index[:top]
        rows = pd.concat([rows[rows[level] == name] for name in order])
    return pd.DataFrame(
        {
            **{key: rows[key] for key in keys},
            "level (0 to 10)": rows["weighted"] / rows["kernels"],
            "min": rows["low"],
            "max": rows["high"],
            "kernels": rows["kernels"],
        }
    )
