"""Run records as one flat table, for programs and SQL: one row per run, one column per value."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from detbench.readers.schema import Column, Schema
from detbench.records.modes import MODES
from detbench.records.spec import RunRecord
from detbench.records.store import Run
from detbench.reporting.efficiency import mfu_of

_OTHER = re.compile(r"\W+")

RUNS = Schema(
    (
        Column("run", "str", "the run's folder"),
        Column("family", "str", ""),
        Column("framework", "str", ""),
        Column("model", "str", ""),
        Column("mode", "str", "`evaluation` where nothing was trained"),
        Column("batch_size", "int64", "images per iteration, of all processes together"),
        Column(
            "gpu_profile", "str", "the GPU or slice, as in the folder's name; `cpu` without one"
        ),
        Column("device", "str", "`cpu` or `cuda`"),
        Column("precision", "str", "`fp32`, `tf32`, `amp` or `bf16`"),
        Column("dataset", "str", ""),
        Column("weights", "str", "the initial weights"),
        Column("processes", "int64", "on all machines together"),
        Column("seed", "int64", ""),
        Column("window", "str", "the measured iterations, `[start, stop)`"),
        Column("status", "str", "`ok`, `oom`, `host_oom`, `timeout`, `failed` or `interrupted`"),
        Column("cause", "str", "why the status is not `ok`"),
        Column("notes", "str", "what the figures of a run that ended well have to be read with"),
        Column("started", "datetime64[us]", "UTC"),
        Column("ended", "datetime64[us]", "UTC"),
        Column("images_per_second", "float64", "over the window; missing where `speed` says n/a"),
        Column("speed", "str", "`under the profiler`, or why images/s mean nothing in its mode"),
        Column("mfu_percent", "float64", "FLOP/s of the model, of the GPU's peak"),
        Column("iteration_seconds_median", "float64", ""),
        Column("iteration_seconds_p10", "float64", ""),
        Column("iteration_seconds_p90", "float64", ""),
        Column("data_wait_percent", "float64", "of the window's time"),
        Column("energy_joules", "float64", "of the GPUs over the window"),
        Column("joules_per_image", "float64", "over the window"),
        Column("energy_source", "str", "what the energy is from, or why it is missing"),
        Column("box_ap", "float64", "percent, of the last evaluation"),
        Column("mask_ap", "float64", "percent, of the last evaluation"),
        Column("time_to_train_seconds", "float64", "missing if the target was not reached"),
        Column("memory_total_bytes", "Int64", "at the peak, in mode memory"),
        Column("gpu", "str", "the GPU's name"),
        Column("gpu_driver", "str", ""),
        Column("cuda", "str", ""),
        Column("torch", "str", ""),
        Column("image", "str", "the image of its container"),
        Column("commit", "str", "of detbench; a trailing `+` means uncommitted changes"),
        Column("command", "str", ""),
        Column("measurements", "int64", "number of files"),
    )
)
"""The other accuracy metrics (`box_ap50`) and memory categories (`memory_weights_bytes`) that any
run has are appended as columns."""


def run_table(runs: Iterable[Run]) -> pd.DataFrame:
    """The table of runs, with the schema `RUNS`; a value that was not measured is missing."""
    rows = [_row(folder, record) for folder, record in runs]
    names = dict.fromkeys([c.name for c in RUNS.columns] + [name for row in rows for name in row])
    return RUNS.table({name: [row.get(name) for row in rows] for name in names})


def _row(folder: Path, record: RunRecord) -> dict[str, Any]:
    spec, speed, around = record.spec, record.throughput, record.environment
    of_spec = ("family", "framework", "model", "batch_size", "gpu_profile", "device", "precision")
    row = {name: getattr(spec, name) for name in (*of_spec, "dataset", "weights", "seed")}
    row |= {
        "run": str(folder),
        "mode": spec.mode if spec.train else "evaluation",
        "processes": spec.world_size,
        "window": str(spec.window) if spec.train else None,
        "status": record.status,
        "cause": record.cause or None,
        "notes": "; ".join(record.notes) or None,
        "started": pd.Timestamp(record.started).tz_convert(None),
        "ended": pd.Timestamp(record.ended).tz_convert(None),
        "time_to_train_seconds": record.time_to_train and record.time_to_train.seconds,
        "commit": around.get("detbench_commit"),
        "command": shlex.join(record.command),
        "measurements": len(record.measurements),
        **{name: around.get(name) for name in ("gpu", "gpu_driver", "cuda", "torch", "image")},
    }
    if speed is not None:
        of_speed = ("median", "p10", "p90")
        row |= {
            f"iteration_seconds_{n}": getattr(speed, f"iteration_seconds_{n}") for n in of_speed
        }
        mode = MODES[spec.mode]
        row["images_per_second"] = speed.images_per_second if mode.has_speed else None
        row["speed"] = mode.of_speed or None
        row["mfu_percent"] = mfu_of(record).percent
        row["data_wait_percent"] = 100 * speed.data_wait_share
        row["energy_joules"] = speed.energy_joules
        row["joules_per_image"] = speed.joules_per_image
        row["energy_source"] = speed.energy_source or None
    row |= {_plain(name): value for name, value in (record.accuracy or {}).items()}
    row |= {f"memory_{_plain(name)}_bytes": size for name, size in (record.memory or {}).items()}
    return row


def _plain(name: str) -> str:
    """A name that needs no quotes in SQL: `box AP50` becomes box_ap50."""
    return _OTHER.sub("_", name).strip("_").lower()
