"""Statistics of monitoring samples, per GPU and host: mean, percentiles, energy, throttling."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import numpy.typing as npt
import pandas as pd

from detbench.readers.monitor_gpus import NEARLY_AT_ONCE
from detbench.readers.monitoring import QUANTITIES

_COUNTER, _POWER = "energy counter (J)", "power (W)"
_FROM_SAMPLES = "power samples"
_FROM_COUNTER = "counter"
_PAUSE_SECONDS, _PAUSE_TIMES = 10.0, 20.0  # a pause is longer than both: the latter of the median


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
    rule; `energy from` says which. A pause in which nobody sampled is in neither duration nor
    energy.
    """
    rows: list[dict[str, object]] = []
    for gpu, own in samples.groupby("gpu", sort=False):
        time, throttled = own["time (s)"], own["throttled"].dropna()
        reasons = _not_told(own)
        energy, source = _energy(own)
        gaps = np.diff(np.sort(time.dropna().to_numpy()))
        watched = gaps[~_is_pause(gaps)]
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
        elif source is not None and own["note"].iloc[0] == NEARLY_AT_ONCE:
            energy = source = None
            why.append("energy: samples of several GPUs")
        rows.append(
            {
                "gpu": gpu,
                "samples": len(own),
                "duration (s)": None if time.isna().all() else float(watched.sum()),
                "energy (J)": energy,
                "energy from": source,
                "throttled (%)": 100 * throttled.mean() if len(throttled) else None,
                "reason for n/a": "; ".join(why),
                "note": "; ".join(filter(None, [own["note"].iloc[0], _pauses(gaps)])),
            }
        )
    return _without_empty_notes(rows)


def _is_pause(gaps: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which gaps between samples are far longer than the others: the monitor was not running."""
    return gaps > max(_PAUSE_SECONDS, _PAUSE_TIMES * float(np.median(gaps)) if len(gaps) else 0)


def _pauses(gaps: npt.NDArray[np.float64]) -> str:
    pauses = gaps[_is_pause(gaps)]
    if not len(pauses):
        return ""
    times = "once" if len(pauses) == 1 else f"{len(pauses):,} times"
    return f"no sample for {pauses.sum():,.0f} s ({times}): not in duration and energy"


def _without_empty_notes(rows: list[dict[str, object]]) -> pd.DataFrame:
    """The table; without its last column, the notes, where there are none."""
    table = pd.DataFrame(rows)
    return table if table.empty or table["note"].any() else table.drop(columns="note")


def _energy(own: pd.DataFrame) -> tuple[float | None, str | None]:
    """The energy of a GPU in J over its samples, and what it is from."""
    if _COUNTER in own and len(counted := own[["time (s)", _COUNTER]].dropna()) > 1:
        used, gaps = np.diff(counted[_COUNTER].to_numpy()), np.diff(counted["time (s)"].to_numpy())
        if (used >= 0).all():
            return float(used[~_is_pause(gaps)].sum()), _FROM_COUNTER
    if _POWER in own and len(told := own[["time (s)", _POWER]].dropna()) > 1:
        power, gaps = told[_POWER].to_numpy(), np.diff(told["time (s)"].to_numpy())
        areas = gaps * (power[1:] + power[:-1]) / 2
        return float(areas[~_is_pause(gaps)].sum()), _FROM_SAMPLES
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
