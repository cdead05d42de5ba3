"""The energy counters that a training reads at the edges of its window."""

from __future__ import annotations

from detbench.gpus.discovery import several
from detbench.gpus.energy import EnergyCounters
from detbench.training.protocol import Job


def counters_of(job: Job) -> EnergyCounters:
    """The counters of all GPUs of the training, or none with the reason.

    Every process trains on a GPU of its own: the first of those that the processes see.
    """
    if job.device.type == "cpu":
        return EnergyCounters((), "trained on a CPU")
    if job.spec.nodes.count > 1:
        return EnergyCounters((), "the GPUs of the other machines cannot be read here")
    gpus, why_none = several()
    return EnergyCounters(gpus[: job.world.local_size], why_none)
