"""Statistics over the repeats of a measurement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, mean, stdev, variance

# Student's t for a two-sided 95 % interval, by degrees of freedom from 1 on (standard table).
_T_95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def interval(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean of repeats, and half the width of its 95 % confidence interval.

    By Student's t; None for a single value, whose spread is unknown.
    """
    number = len(values)
    if number < 2:
        return mean(values), None
    return mean(values), _t_95(number - 1) * stdev(values) / math.sqrt(number)


@dataclass(frozen=True)
class Ratio:
    """The ratio of one set of repeats to another, with its 95 % interval.

    Attributes:
        value: ratio of the geometric means.
        low, high: ends of the interval; None if the repeats do not give one.
        why_none: why there is no interval; empty if there is one.
    """

    value: float
    low: float | None = None
    high: float | None = None
    why_none: str = ""


def ratio(values: Sequence[float], base: Sequence[float]) -> Ratio:
    """The ratio of `values` to `base`, both positive, each measured independently.

    Welch's t interval of the difference of mean logarithms, with its ends as ratios: with
    d = mean(ln values) - mean(ln base) and q = s^2 / n of each, exp(d -+ t sqrt(q1 + q2)), where t
    has (q1 + q2)^2 / (q1^2 / (n1 - 1) + q2^2 / (n2 - 1)) degrees of freedom, rounded down (Welch,
    Biometrika 34, 1947; Satterthwaite, Biometrics Bulletin 2, 1946). In logarithms a ratio and
    its inverse have the same interval.
    """
    logs, base_logs = [math.log(v) for v in values], [math.log(v) for v in base]
    middle = mean(logs) - mean(base_logs)
    if min(len(logs), len(base_logs)) < 2:
        return Ratio(math.exp(middle), why_none="1 repeat")
    own, other = variance(logs) / len(logs), variance(base_logs) / len(base_logs)
    if own + other == 0:  # a clock never gives the same figures twice
        return Ratio(math.exp(middle), why_none="the repeats are copies of one another")
    freedom = (own + other) ** 2 / (own**2 / (len(logs) - 1) + other**2 / (len(base_logs) - 1))
    # Slightly more, because rounding may leave a whole number just below itself.
    half = _t_95(int(freedom * (1 + 1e-9))) * math.sqrt(own + other)
    return Ratio(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def _t_95(degrees: int) -> float:
    return _T_95[degrees - 1] if degrees <= len(_T_95) else NormalDist().inv_cdf(0.975)


def scaling_efficiency(throughput: float, single: float, number: int) -> float:
    """The achieved share of `number` times the throughput of one process."""
    return throughput / (number * single)
