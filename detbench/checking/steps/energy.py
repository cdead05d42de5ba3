"""The energy of the speed step's runs, by the hardware's counter and by the samples of power."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from detbench.checking.bench import Bench
from detbench.checking.claims import Claim, ImpossibleError, judged
from detbench.readers.monitoring import read_monitoring
from detbench.records.store import Run
from detbench.telemetry.monitor import MONITORING

_TOLERANCE = 0.2  # a window of seconds has few samples, and power changes within an iteration


def claims(bench: Bench) -> Iterator[Claim]:
    """The counter's energy is the mean of the sampled power times the window's length."""
    bench.needed_gpu()
    rows = [row for run in bench.runs if (row := _row(run)) is not None]
    if not rows:
        raise ImpossibleError("no run of this check has energy from the GPU's counter")
    bench.tables["Energy"] = pd.DataFrame(rows)
    longest = max(rows, key=lambda row: row["window (s)"])
    counted, sampled = longest["energy (J)"], longest["power x time (J)"]
    yield judged(
        "energy by the counter is the sampled power times time",
        f"within {100 * _TOLERANCE:.0f} %",
        f"{counted:,.0f} and {sampled:,.0f} J in {longest['window (s)']:.1f} s",
        abs(counted - sampled) <= _TOLERANCE * sampled,
        "power is averaged over a second on some GPUs: compare a longer window",
    )


def _row(run: Run) -> dict[str, Any] | None:
    spec, speed = run.record.spec, run.record.throughput
    if spec.mode != "noprofile" or speed is None or speed.energy_joules is None:
        return None
    samples = read_monitoring(run.folder / MONITORING)
    power = samples.loc[samples["gpu"] != "host", "power (W)"]
    working = power[power >= power.max() / 2]  # the rest is loading and warm-up
    return {
        "model": spec.model,
        "precision": spec.precision,
        "batch size": spec.batch_size,
        "J/image": speed.energy_joules / speed.images,
        "energy (J)": speed.energy_joules,
        "power x time (J)": float(working.mean()) * speed.seconds,
        "window (s)": speed.seconds,
    }
