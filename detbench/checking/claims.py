"""A claim about this machine: what was expected, what was measured, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["passed", "failed", "not possible here"]


class ImpossibleError(Exception):
    """What a step needs is not here; the message says what, and the remedy if there is one."""


@dataclass(frozen=True)
class Claim:
    """A claim and its verdict.

    Attributes:
        text: the claim, in a few words.
        expected: the tolerance: what makes it true.
        measured: the figure that decided; empty if nothing was measured.
        reason: why it failed or was not possible.
    """

    text: str
    expected: str
    measured: str
    verdict: Verdict
    reason: str = ""


def judged(text: str, expected: str, measured: str, holds: bool, reason: str = "") -> Claim:
    """A claim that was measured; `reason` says what to think of it if it does not hold."""
    return (
        Claim(text, expected, measured, "passed", "")
        if holds
        else Claim(text, expected, measured, "failed", reason)
    )


def impossible(text: str, reason: str) -> Claim:
    """A claim that could not be examined."""
    return Claim(text, "", "", "not possible here", reason)


def failed(text: str, reason: str) -> Claim:
    """A claim whose measurement failed."""
    return Claim(text, "", "", "failed", reason)
