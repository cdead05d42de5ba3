"""The largest batch size that fits a GPU profile, by bisection over predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from detbench.fitting.asked import Asked
from detbench.fitting.need import answer, capacity
from detbench.gpus.profiles import GpuProfile

_MOST = 4096  # images per GPU: more than any current GPU has memory for


def largest(asked: Asked, profile: GpuProfile, answers: Sequence[str]) -> int:
    """The largest batch size whose answer is one of `answers`; 0 if there is none.

    The need grows with the batch size, so the answers go from yes to no only once.
    """
    available = capacity(profile)
    low, high = 0, _MOST  # low fits, high does not
    while high - low > 1:
        middle = (low + high) // 2
        fits = answer(asked.need(middle), available) in answers
        low, high = (middle, high) if fits else (low, middle)
    return low


def largest_table(asked: Sequence[Asked], profiles: Sequence[GpuProfile]) -> pd.DataFrame:
    """Models x profiles: the largest batch sizes that certainly and perhaps fit."""
    rows = []
    for each in asked:
        row: dict[str, Any] = {"model": each.model}
        for profile in profiles:
            certain = largest(each, profile, ("yes",))
            perhaps = largest(each, profile, ("yes", "borderline"))
            row[profile.name] = f"{certain}" + (f", perhaps {perhaps}" if perhaps > certain else "")
        rows.append(row)
    return pd.DataFrame(rows)
