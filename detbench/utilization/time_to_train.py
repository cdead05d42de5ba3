"""How long a training took to reach an accuracy, from its log's evaluations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from detbench.readers.training_log import TrainingLog, metrics_of


def time_to_train(log: TrainingLog, targets: Mapping[str, float]) -> pd.DataFrame:
    """One row per training: its first evaluation that met all `targets`.

    Args:
        log: a log with evaluations.
        targets: the value in percent that each metric, such as `box AP`, has to reach.

    Raises:
        ValueError: no training was evaluated, or a metric is not among its evaluations.
    """
    trained = log.evaluations[log.evaluations["training"].notna()]
    if trained.empty:
        raise ValueError("no evaluation of a training in it")
    known = metrics_of(trained)
    for metric in targets:
        if metric not in known:
            raise ValueError(f"no {metric} in it, but {', '.join(known)}")
    rows = [_row(own, targets, log) for _, own in trained.groupby("training", sort=True)]
    return pd.DataFrame(rows).astype({"iteration": "Int64"})


def _row(own: pd.DataFrame, targets: Mapping[str, float], log: TrainingLog) -> dict[str, Any]:
    """The row of one training, from its evaluations."""
    met = own[[all(row[m] >= goal for m, goal in targets.items()) for _, row in own.iterrows()]]
    training = int(own["training"].iloc[0])
    has_wall = bool(own["wall (s)"].notna().all())
    row: dict[str, Any] = {
        "training": training,
        "target": ", ".join(f"{metric} {goal:g}" for metric, goal in targets.items()),
        "result": "reached",
        "iteration": None,
        "time (min)": math.nan,
        "evaluation (min)": math.nan,
        "excluded pauses (min)": math.nan,
        "clock": "wall time" if has_wall else f"iterations only: {log.no_wall}",
        **{f"best {metric}": own[metric].max() for metric in targets},
    }
    if met.empty:
        reported = log.curves.loc[log.curves["training"] == training, "iteration"]
        last = max([int(own["iteration"].max()), *map(int, reported)])
        return row | {"result": f"not reached after {last + 1} iterations"}
    first = met.iloc[0]
    row["iteration"] = int(first["iteration"])
    row["time (min)"] = first["wall (s)" if has_wall else "iterations (s)"] / 60
    if has_wall:
        until = own.loc[: met.index[0], "evaluation (s)"].sum(skipna=False)
        row["evaluation (min)"] = until / 60
        row["excluded pauses (min)"] = first["pauses (s)"] / 60
    return row
