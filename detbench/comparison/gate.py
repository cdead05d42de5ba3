"""Decides for CI whether a comparison shows a regression."""

from __future__ import annotations

from dataclasses import dataclass

from detbench.comparison.comparing import Comparison
from detbench.comparison.verdicts import Verdict


@dataclass(frozen=True)
class Gate:
    """The verdicts that contradict "not slower by more than this".

    Attributes:
        slower: B is shown to be slower: its whole interval is below the limit.
        unknown: A has a figure, but there is no ratio with an interval.
    """

    slower: tuple[Verdict, ...]
    unknown: tuple[Verdict, ...]


def gate(comparison: Comparison, percent: float) -> Gate:
    """Judge a comparison; B may be slower by at most `percent` of A."""
    limit = 1 - percent / 100
    found = [pair.verdict for pair in comparison.pairs]
    return Gate(
        tuple(v for v in found if v.ratio and v.ratio.high is not None and v.ratio.high < limit),
        # A model that only B has is new, and was never faster.
        tuple(v for v in found if v.a is not None and (v.ratio is None or v.ratio.low is None)),
    )
