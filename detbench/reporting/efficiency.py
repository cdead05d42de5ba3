"""How much of the arithmetic that its GPU could have done a training did."""

from __future__ import annotations

from typing import NamedTuple

from detbench.gpus.peaks import Peaks, peaks
from detbench.gpus.profiles import find
from detbench.records.spec import RunRecord

_OF_ONE_TYPE = 0.99  # of the operations: a peak is that of one type of number
# The numbers that convolutions and matrix products of a type are multiplied as, by precision.
_PEAK_OF = {
    ("fp32", "float32"): "fp32",
    ("tf32", "float32"): "tf32",
    ("amp", "float16"): "fp16",
    ("bf16", "bfloat16"): "bf16",
}


class Mfu(NamedTuple):
    """Model FLOP/s utilization in percent of a peak that `denominator` names, or why it is n/a."""

    percent: float | None
    denominator: str = ""
    why_not: str = ""


def mfu_of(record: RunRecord) -> Mfu:
    """FLOPs of an image times images/s, as a share of the GPUs' peak at the precision that ran.

    The FLOPs are those of the model's convolutions and matrix products, forward and backward, by
    torch's counter on a batch of this very training (model FLOPs utilization: Chowdhery et al.,
    2022, "PaLM", appendix B). A mixture of types has no peak.
    """
    speed, spec = record.throughput, record.spec
    if speed is None or not speed.flops:
        return Mfu(None, why_not=speed.flops_source if speed else "no window was measured")
    kind, most = max(speed.flops.items(), key=lambda item: item[1])
    total = sum(speed.flops.values())
    if most < _OF_ONE_TYPE * total:
        return Mfu(None, why_not=f"{100 * most / total:.0f} % of the FLOPs are {kind}, others not")
    name, word = str(record.environment.get("gpu", "")), _PEAK_OF.get((spec.precision, kind))
    best, profile = peaks_of(record)
    if not profile or word is None:
        return Mfu(None, why_not=f"{name or 'a CPU'} has no peak for {kind} in {spec.precision}")
    most_of_one = getattr(best, word)
    if most_of_one is None:
        return Mfu(None, why_not=f"no source states the {word} peak of {name}")
    available = most_of_one * spec.world_size
    return Mfu(
        100 * total * speed.images_per_second / available,
        f"{available / 1e12:.4g} TFLOP/s, dense {word} of {spec.world_size} x {profile}",
    )


def peaks_of(record: RunRecord) -> tuple[Peaks, str]:
    """The peaks of the GPU or slice that a run had, and its profile's name; empty if unknown."""
    name = str(record.environment.get("gpu", ""))
    told = (record.environment.get("gpu_profile"), name, record.spec.gpu_profile)
    profile = next((known for text in told if text and (known := find(str(text)))), None)
    if profile is None:
        return Peaks(), ""
    return peaks(profile, name.partition(" MIG ")[0]), profile.name
