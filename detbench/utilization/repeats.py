"""What repeats of a measurement tell together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, mean, stdev

# Student's t for a two-sided 95 % interval, by degrees of freedom from 1 on (any table of it).
_T_95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def interval(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean of repeats, and half the width of its 95 % confidence interval.

    By Student's t; None with one value, of which no spread is known.
    """
    number = len(values)
    if number < 2:
        return mean(values), None
    degrees = number - 1
    t = _T_95[degrees - 1] if degrees <= len(_T_95) else NormalDist().inv_cdf(0.975)
    return mean(values), t * stdev(values) / math.sqrt(number)


def scaling_efficiency(throughput: float, single: float, number: int) -> float:
    """The share of `number` times the throughput of one process that is reached."""
    return throughput / (number * single)
