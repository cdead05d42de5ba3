"""The energy of a run whose GPUs have no counter for it, from the samples of their power."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from detbench.gpus.discovery import Gpu
from detbench.records.spec import RunSpec, Throughput

SAMPLES = "power samples"


def with_sampled_energy(
    speed: Throughput, spec: RunSpec, file: Path, gpus: Sequence[Gpu]
) -> Throughput:
    """`speed` with the energy of its window, if it lacks it and `file` has samples all through it.

    Args:
        speed: as the training measured it.
        spec: the training's.
        file: the run's `monitoring.csv`, which need not exist.
        gpus: the GPUs given to the run. A MIG instance has no power of its own.
    """
    if speed.energy_joules is not None or speed.began is None or speed.ended is None:
        return speed
    used = gpus[: spec.num_processes] if spec.device == "cuda" and spec.nodes.count == 1 else ()
    if not used or any(gpu.is_mig for gpu in used) or not file.is_file():
        return speed
    parts = [_joules(file, gpu.uuid, speed.began, speed.ended) for gpu in used]
    told = [part for part in parts if part is not None]
    if len(told) < len(parts):
        why = f"{speed.energy_source}; its samples of power do not cover the window"
        return speed.model_copy(update={"energy_source": why})
    source = f"{SAMPLES} ({speed.energy_source})"
    return speed.model_copy(update={"energy_joules": sum(told), "energy_source": source})


def _joules(file: Path, uuid: str, began: float, ended: float) -> float | None:
    """The area under a GPU's power between two moments, by the trapezoid rule.

    None if fewer than two samples lie between them, or none before or none behind.
    """
    times: list[float] = []
    watts: list[float] = []
    with file.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["uuid"] == uuid and not row["power.draw [W]"].startswith("["):
                times.append(datetime.fromisoformat(row["utc"]).timestamp())
                watts.append(float(row["power.draw [W]"]))
    at = np.array(times)
    inside = (at > began) & (at < ended)
    if inside.sum() < 2 or at[0] > began or at[-1] < ended:  # in this order: there may be none
        return None
    moments = np.array([began, *at[inside], ended])
    power = np.interp(moments, at, watts)
    return float((np.diff(moments) * (power[1:] + power[:-1]) / 2).sum())
