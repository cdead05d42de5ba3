"""What a training needs of a GPU, part by part, and whether a GPU profile has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from detbench.fitting.calibration import peak, workspace
from detbench.fitting.footprints import Footprint, Setting
from detbench.fitting.law import parts_at
from detbench.gpus.profiles import GpuProfile, find

Answer = Literal["yes", "borderline", "no"]

_MIB, _GIB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Range:
    """Bytes: the least, the likeliest and the most."""

    low: float
    middle: float
    high: float

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.middle + other.middle, self.high + other.high)

    @staticmethod
    def around(middle: float, share: float) -> Range:
        """From `share` of it below to as much above."""
        return Range(middle * (1 - share), middle, middle * (1 + share))


# How far tensors may be from what was measured: images of other shapes in a batch, other counts of
# objects; where the setting itself was not measured, the law's own error too (docs/metrics.md).
_MEASURED, _BY_THE_LAW = 0.02, 0.03

# Reserved by the caching allocator beyond what it gave out, as a share of that, when memory is
# short: 0.5, 4.3 and 6.9 % in the out-of-memory messages of GPT2-Chinese#215, BrushNet#81 and
# CoSeR#10 (GitHub). Before it fails, it gives back every block that is not in use.
_FRAGMENTATION = (0.005, 0.04, 0.07)

# Outside the allocator: 300 to 426 MiB with CUDA 11.7 and later, which loads kernels when they are
# first used (pytorch#107667, pytorch#109888, unsloth-zoo#1053); what training loads comes on top.
_CONTEXT = Range(300 * _MIB, 450 * _MIB, 600 * _MIB)

# What CUDA can hand out of the total that NVML shows: 79.15 of 80 GiB on an A100.
_OF_NVML = 0.985


@dataclass(frozen=True)
class Need:
    """The memory of a training by part; tensors first, as docs/metrics.md names them.

    Attributes:
        is_measured: whether this very setting was measured, at other batch sizes.
    """

    parts: dict[str, Range]
    is_measured: bool

    @property
    def total(self) -> Range:
        """All parts."""
        return sum(self.parts.values(), Range(0, 0, 0))


def need(
    model: str,
    footprints: Sequence[Footprint],
    setting: Setting,
    batch_size: int,
    processes: int = 1,
) -> Need:
    """What each of `processes` needs, with `batch_size` images of its own an iteration.

    Raises:
        UsageError: too little was measured of the model.
    """
    parts, is_measured = parts_at(model, footprints, setting, batch_size)
    tensors = peak(parts, processes)
    share = _MEASURED if is_measured else _BY_THE_LAW
    found = {name: Range.around(size, share) for name, size in tensors.items() if size}
    # An operator that lacks memory for the workspace it would like best takes one with less
    # (ATen/native/cudnn: the next algorithm is tried), so that none is the least it needs.
    _, middle, high = workspace()
    found["workspace"] = Range(0, middle, high)
    allocated = sum(found.values(), Range(0, 0, 0))
    low, likely, most = _FRAGMENTATION
    found["fragmentation"] = Range(
        allocated.low * low, allocated.middle * likely, allocated.high * most
    )
    found["CUDA context"] = _CONTEXT
    return Need(found, is_measured)


def capacity(profile: GpuProfile) -> Range:
    """The memory that one process can have on a profile."""
    total = float(profile.memory_bytes)
    if profile.memory_is == "cuda":
        return Range(total, total, total)
    if profile.kind == "vgpu":
        # At most a sixteenth of the frame buffer and 16 MiB are reserved (NVIDIA vGPU Software User
        # Guide, "reserved frame buffer"; HBM has no further share for ECC), and never is there more
        # than the MIG instance that it runs on has.
        instance = find(f"{profile.gpu}-{profile.mig_profile}")
        most = min(total, instance.memory_bytes) if instance else total
        least = min(most, total * 15 / 16 - 16 * _MIB)
        return Range(least, (least + most) / 2, most)
    return Range(total * _OF_NVML, total * (1 + _OF_NVML) / 2, total)


def answer(needed: Need, available: Range) -> Answer:
    """Whether it fits: for certain, by the intervals of both sides, or perhaps."""
    total = needed.total
    if total.high <= available.low:
        return "yes"
    if total.low > available.high:
        return "no"
    return "borderline"
