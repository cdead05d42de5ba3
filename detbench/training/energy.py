"""Which energy counters belong to a training."""

from __future__ import annotations

from detbench.gpus import discovery
from detbench.gpus.energy import EnergyCounters
from detbench.training.protocol import Job


def energy_of(job: Job) -> tuple[EnergyCounters | None, str]:
    """The counters of all GPUs that the training uses, or None and why there are none."""
    if job.device.type != "cuda":
        return None, "a CPU has no energy counter"
    if job.spec.nodes.count > 1:
        return None, "the counters of the other machines cannot be read from here"
    gpus, why_none = discovery.several()
    used = gpus[: job.spec.num_processes]
    if len(used) < job.spec.num_processes:
        return None, why_none or "NVML names fewer GPUs than the training uses"
    return EnergyCounters([gpu.uuid for gpu in used]), ""
