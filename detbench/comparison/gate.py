"""Whether a comparison is a regression, as CI wants to know."""

from __future__ import annotations

from dataclasses import dataclass

from detbench.comparison.comparing import Comparison
from detbench.comparison.verdicts import Verdict


@dataclass(frozen=True)
class Gate:
    """What stands in the way of "not slower by more than this".

    Attributes:
        slower: B is shown to be slower: its whole interval is below the limit.
        unknown: A has a figure, and no ratio with an interval can be told.
    """

    slower: tuple[Verdict, ...]
    unknown: tuple[Verdict, ...]


def gate(comparison: Comparison, percent: float) -> Gate:
    """Judge a comparison by the most that B may be slower, in percent of A."""
    limit = 1 - percent / 100
    found = [pair.verdict for pair in comparison.pairs]
    return Gate(
        tuple(v for v in found if v.ratio and v.ratio.high is not None and v.ratio.high < limit),
        # What only B has is new, and was never faster.
        tuple(v for v in found if v.a is not None and (v.ratio is None or v.ratio.low is None)),
    )
