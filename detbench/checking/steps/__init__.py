"""The steps of a check, in their order: the cheap and the telling ones first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from detbench.checking.bench import Bench
from detbench.checking.claims import Claim
from detbench.checking.steps import (
    counters,
    energy,
    environment,
    known_kernels,
    learning,
    limit,
    memory,
    monitor,
    overhead,
    prediction,
    speed,
    timeline,
)


class Step(NamedTuple):
    """A step, what it claims as a whole, and the most seconds that it may take."""

    name: str
    about: str
    seconds: float
    claims: Callable[[Bench], Iterator[Claim]]


STEPS = (
    Step("environment", "a training runs on the driver's GPU", 60, environment.claims),
    Step("known kernels", "known kernels use the cores they must", 120, known_kernels.claims),
    Step("speed", "larger batches and shorter numbers pay", 240, speed.claims),
    Step("energy", "counted and sampled energy agree", 20, energy.claims),
    Step("timeline", "the busy share is the trace's own", 60, timeline.claims),
    Step("memory", "the parts of memory add up", 60, memory.claims),
    Step("core utilization", "a whole model's cores can be read", 180, counters.claims),
    Step("learning", "a model learns", 120, learning.claims),
    Step("prediction", "fit predicts the memory", 240, prediction.claims),
    Step("out of memory", "too large a batch ends as such", 90, limit.claims),
    Step("monitoring", "samples agree with nvidia-smi", 60, monitor.claims),
    Step("overhead", "measuring costs next to nothing", 90, overhead.claims),
)
