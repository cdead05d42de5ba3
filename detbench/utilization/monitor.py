"""What a monitor saw of each GPU: mean, percentiles, energy, throttling."""

from __future__ import annotations

import numpy as np
import pandas as pd

from detbench.readers.monitoring import QUANTITIES


def by_quantity(samples: pd.DataFrame) -> pd.DataFrame:
    """One row a GPU and quantity; `samples` as `detbench.readers.monitoring` returns them.

    Every sample weighs the same. A sample that the driver did not tell is not in the statistics.
    """
    rows = []
    for gpu, own in samples.groupby("gpu", sort=False):
        for quantity in (q for q in QUANTITIES if q in own):
            told = own[quantity].dropna()
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
                }
            )
    return pd.DataFrame(rows)


def by_gpu(samples: pd.DataFrame) -> pd.DataFrame:
    """One row a GPU: how long it was watched, its energy, and how often it was throttled.

    Energy is the trapezoid rule over power and time, in joules.
    """
    rows = []
    for gpu, own in samples.groupby("gpu", sort=False):
        time, throttled = own["time (s)"], own["throttled"].dropna()
        energy = None
        if "power (W)" in own and len(told := own[["time (s)", "power (W)"]].dropna()) > 1:
            power, times = told["power (W)"].to_numpy(), told["time (s)"].to_numpy()
            energy = float((np.diff(times) * (power[1:] + power[:-1]) / 2).sum())
        rows.append(
            {
                "gpu": gpu,
                "samples": len(own),
                "duration (s)": None if time.isna().all() else time.max() - time.min(),
                "energy (J)": energy,
                "throttled (%)": 100 * throttled.mean() if len(throttled) else None,
            }
        )
    return pd.DataFrame(rows)
