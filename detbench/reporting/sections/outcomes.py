"""Results as in the seed suite's reports: time-to-train, and images/s by batch size."""

from __future__ import annotations

from typing import Any

import pandas as pd

from detbench.records.store import RECORD
from detbench.reporting.labels import ACCURACIES, labels, several, windows
from detbench.reporting.measurements import Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section
from detbench.reporting.repeated import repeated
from detbench.reporting.tables import cell

_TITLE = "Results"


def outcomes(runs: Runs) -> Section | LeftOut:
    """One row per training to accuracy, and throughput as models x batch sizes."""
    exhibits = [e for e in (_trainings(runs), _matrix(runs)) if e is not None]
    if not exhibits:
        return LeftOut(_TITLE, "no run in mode noprofile succeeded, and none was evaluated")
    return Section(_TITLE, exhibits)


def _trainings(runs: Runs) -> Exhibit | None:
    found = [(f, r) for f, r in runs.items if r.accuracy or r.time_to_train]
    if not found:
        return None
    names = dict.fromkeys(name for _, r in found for name in r.accuracy or {})
    shown = [name for name in names if name.endswith(ACCURACIES)] or list(names)
    rows: list[dict[str, Any]] = []
    for (_, record), label in zip(found, labels([r for _, r in found]), strict=True):
        time, speed = record.time_to_train, record.throughput
        rows.append(
            {
                "run": label,
                "GPUs": record.spec.world_size if record.spec.device == "cuda" else None,
                "processes": record.spec.world_size,
                "time-to-train (s)": time.seconds if time else None,
                "target": _target(record.spec.target, time.reached if time else None),
                "throughput (images/s)": speed.images_per_second
                if speed and record.spec.train
                else None,
                **{f"{name} (%)": (record.accuracy or {}).get(name) for name in shown},
                "status": record.status,
            }
        )
    table = pd.DataFrame(rows).astype({"GPUs": "Int64", "time-to-train (s)": "float64"})
    if (table["GPUs"] == table["processes"]).all():
        table = table.drop(columns="processes")
    return Exhibit(
        "Time-to-train, throughput and accuracy",
        table,
        Basis(
            windows([r for _, r in found])
            + "; time-to-train starts before the dataset is first touched",
            "time-to-train is wall time, evaluations included; accuracy is that of the last"
            " evaluation",
            several(len(found), "run"),
        ),
        sources=[folder / RECORD for folder, _ in found],
        notes=["GPUs is n/a for a training on the CPU, time-to-train for one without a target."],
    )


def _target(target: dict[str, float], reached: bool | None) -> str:
    if not target:
        return "none set"
    goals = ", ".join(f"{name} {percent:g}" for name, percent in target.items())
    return goals if reached else f"{goals}: not reached"


def _matrix(runs: Runs) -> Exhibit | None:
    groups = repeated(runs, "noprofile")
    if not groups:
        return None
    sizes = sorted({group.batch_size for group in groups})
    rows: dict[str, dict[str, Any]] = {}
    for group in groups:
        text = cell(group.mean)
        if group.half is not None:
            text += f" ± {cell(group.half)}"
        rows.setdefault(group.series, {"model": group.series})[f"bs{group.batch_size}"] = text
    columns = ["model", *(f"bs{size}" for size in sizes)]
    records = [record for group in groups for _, record in group.runs]
    return Exhibit(
        "Throughput (images/s), model x batch size",
        pd.DataFrame(list(rows.values()), columns=columns),
        Basis(
            windows(records) + ", warm-up excluded",
            "images / wall time of the window; the mean of the repeats ± its 95 % interval",
            several(len(records), "run"),
        ),
        sources=[folder / RECORD for group in groups for folder, _ in group.runs],
        notes=["A cell without ± has one run. n/a means not measured, or failed."],
    )
