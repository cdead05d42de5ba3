"""The energy of a window by the samples of power beside the run, where no counter tells it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from detbench.gpus.discovery import Gpu
from detbench.records.spec import Throughput

SAMPLES = "samples of power, by the trapezoid rule"
_LEAST = 3  # samples inside the window


def with_energy(speed: Throughput, monitoring: Path, gpus: Sequence[Gpu]) -> Throughput:
    """The throughput with the energy of its window, if it has none and the samples tell it.

    Between its samples, power is taken to change evenly; at the window's edges it is interpolated.
    """
    if speed.energy_joules is not None or not speed.ended or any(gpu.is_mig for gpu in gpus):
        return speed
    found = [_joules(monitoring, gpu.uuid, speed.began, speed.ended) for gpu in gpus]
    if not found or None in found:
        return speed
    joules = sum(each for each in found if each is not None)
    return speed.model_copy(update={"energy_joules": joules, "energy_source": SAMPLES})


def _joules(monitoring: Path, uuid: str, began: float, ended: float) -> float | None:
    """The integral of one GPU's power over the window; None where too few samples tell it."""
    import numpy as np
    import pandas as pd

    try:
        table = pd.read_csv(monitoring)
    except (OSError, ValueError):
        return None
    own = table[table["uuid"] == uuid]
    watts = pd.to_numeric(own["power.draw [W]"], errors="coerce")
    told = watts.notna()
    times = np.array([datetime.fromisoformat(text).timestamp() for text in own["utc"][told]])
    inside = (times > began) & (times < ended)
    if inside.sum() < _LEAST or times[0] > began or times[-1] < ended:
        return None
    at = np.concatenate(([began], times[inside], [ended]))
    power = np.interp(at, times, watts[told].to_numpy())
    return float((np.diff(at) * (power[1:] + power[:-1]) / 2).sum())
