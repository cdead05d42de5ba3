"""Performs the steps, one after the other: none that fails stops the others."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from detbench.checking.bench import Bench
from detbench.checking.claims import Claim, ImpossibleError, failed, impossible
from detbench.checking.steps import STEPS, Step
from detbench.errors import DetbenchError, MissingError


class Judged(NamedTuple):
    """A claim and the step that made it."""

    step: str
    claim: Claim


def perform(bench: Bench, steps: Sequence[Step] = STEPS) -> list[Judged]:
    """The verdicts of all steps. A user's interruption ends the present step and those after it.

    `bench.on_event` gets `step` (`name`, `number`, `of`) before a step and `claim` (`step`,
    `text`, `verdict`) after each claim, among the events of the runs.
    """
    found: list[Judged] = []
    for number, step in enumerate(steps, 1):
        bench.on_event({"event": "step", "name": step.name, "number": number, "of": len(steps)})
        for claim in _claims(step, bench):
            found.append(Judged(step.name, claim))
            bench.on_event(
                {"event": "claim", "step": step.name, "text": claim.text, "verdict": claim.verdict}
            )
    return found


def _claims(step: Step, bench: Bench) -> Iterator[Claim]:
    """A step's claims; whatever ends it early is one more."""
    bench.step_ends = min(bench.ends, time.monotonic() + step.seconds)
    try:
        if bench.interrupted:
            raise ImpossibleError("the check was interrupted")
        yield from step.claims(bench)
    except (ImpossibleError, MissingError) as lack:
        yield impossible(step.about, str(lack))
    except DetbenchError as error:
        yield failed(step.about, str(error))
    except KeyboardInterrupt:
        bench.interrupted = True
        yield impossible(step.about, "the check was interrupted")
    except Exception as error:  # a fault of ours, which must not cost the other steps
        traceback.print_exc()
        yield failed(step.about, f"{type(error).__name__}: {error}; please report the lines above")


def verdict_table(found: Sequence[Judged]) -> pd.DataFrame:
    """A row a claim."""
    return pd.DataFrame(
        [
            {
                "step": step,
                "claim": claim.text,
                "expected": claim.expected,
                "measured": claim.measured,
                "verdict": claim.verdict,
                "reason": claim.reason,
            }
            for step, claim in found
        ]
    )
