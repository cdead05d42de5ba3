"""Statistics of monitoring samples, per GPU and host: mean, percentiles, energy, throttling."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pandas as pd

from detbench.readers.monitoring import QUANTITIES

_COUNTER, _POWER = "energy counter (J)", "power (W)"
_FROM_SAMPLES = "power samples"
_FROM_COUNTER = "counter"


def by_quantity(samples: pd.DataFrame) -> pd.DataFrame:
    """One row per GPU and quantity; `samples` as `detbench.readers.monitoring` returns them.

    Every sample has the same weight. A value that the driver did not report is not in the
    statistics; its reason is in the last column. A quantity that a GPU, or the host, does not have
    has no row, and neither has a counter that only grows.
    """
    rows = []
    for gpu, own in samples.groupby("gpu", sort=False):
        reasons = _not_told(own)
        for quantity in (q for q in QUANTITIES if q in own and q != _COUNTER):
            told = own[quantity].dropna()
            if told.empty and not reasons[quantity]:
                continue
            p50, p95 = told.quantile([0.5, 0.95])
            rows.append(
                {
                    "gpu": gpu,
                    "quantity": quantity,
                    "mean": told.mean(),
                    "p50": p50,
                    "p95": p95,
                    "max": told.max(),
                    "samples": len(told),
                    "reason for n/a": _words(reasons[quantity], len(own)),
                    "note": own["note"].iloc[0],
                }
            )
    return _without_empty_notes(rows)


def by_gpu(samples: pd.DataFrame) -> pd.DataFrame:
    """One row per GPU: how long it was watched, its energy, and how often it was throttled.

    Energy in J is the growth of the GPU's own counter from the first sample to the last. Where the
    samples lack it, or it was reset meanwhile, it is power integrated over time by the trapezoid
    rule; `energy from` says which.
    """
    rows = []
    for gpu, own in samples.groupby("gpu", sort=False):
        time, throttled = own["time (s)"], own["throttled"].dropna()
        reasons = _not_told(own)
        energy, source = _energy(own)
        lacked = [("throttled", "throttled")]
        if source != _FROM_COUNTER:
            lacked.insert(0, ("energy", _POWER))
        why = [
            f"{what}: {_words(reasons[quantity], len(own))}"
            for what, quantity in lacked
            if reasons[quantity]
        ]
        if time.isna().all():
            why.append("duration, energy: the samples have no times")
        elif source == _FROM_SAMPLES and not np.diff(time.dropna()).all():
            energy = source = None
            why.append("energy: two samples at the same time")
        rows.append(
            {
                "gpu": gpu,
                "samples": len(own),
                "duration (s)": None if time.isna().all() else time.max() - time.min(),
                "energy (J)": energy,
                "energy from": source,
                "throttled (%)": 100 * throttled.mean() if len(throttled) else None,
                "reason for n/a": "; ".join(why),
                "note": own["note"].iloc[0],
            }
        )
    return _without_empty_notes(rows)


def _without_empty_notes(rows: list[dict[str, object]]) -> pd.DataFrame:
    """The table; without its last column, the notes, where there are none."""
    table = pd.DataFrame(rows)
    return table if table.empty or table["note"].any() else table.drop(columns="note")


def _energy(own: pd.DataFrame) -> tuple[float | None, str | None]:
    """The energy of a GPU in J over its samples, and what it is from."""
    if _COUNTER in own and len(counted := own[_COUNTER].dropna()) > 1:
        joules = counted.to_numpy()
        if (np.diff(joules) >= 0).all():
            return float(joules[-1] - joules[0]), _FROM_COUNTER
    if _POWER in own and len(told := own[["time (s)", _POWER]].dropna()) > 1:
        power, times = told[_POWER].to_numpy(), told["time (s)"].to_numpy()
        return float((np.diff(times) * (power[1:] + power[:-1]) / 2).sum()), _FROM_SAMPLES
    return None, None


def _not_told(own: pd.DataFrame) -> defaultdict[str, Counter[str]]:
    """Why samples of a GPU lack a quantity, in the driver's words, and how many lack it."""
    counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for lines, count in own["not told"].value_counts().items():
        for line in str(lines).splitlines():
            quantity, _, why = line.partition(": ")
            counted[quantity][why] += count
    return counted


def _words(reasons: Counter[str], of: int) -> str:
    return "; ".join(why if n == of else f"{why} ({n} of {of})" for why, n in reasons.items())
