"""The learning rate over a training."""

from __future__ import annotations

import math

from detbench.suite import Schedule


def learning_rate_factor(schedule: Schedule, iteration: int) -> float:
    """The factor of the learning rate at an iteration.

    Linear warm-up from nearly 0; then a tenth after each step, or the half cosine that reaches 0
    at the end of the schedule (Loshchilov and Hutter, 2017, "SGDR", without restarts).
    """
    warmup = min(1.0, (iteration + 1) / max(1, schedule.warmup_iterations))
    if schedule.decay == "cosine":
        length = max(1, schedule.num_iterations - schedule.warmup_iterations)
        done = min(1.0, max(0, iteration - schedule.warmup_iterations) / length)
        return warmup * 0.5 * (1 + math.cos(math.pi * done))
    decay = 0.1 ** sum(iteration >= step for step in schedule.steps)
    return float(decay * warmup)
