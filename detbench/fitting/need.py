"""The GPU memory that a training needs, by parts, and whether a GPU profile has it."""

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
    """An interval in bytes: the least, the likeliest and the most."""

    low: float
    middle: float
    high: float

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.middle + other.middle, self.high + other.high)

    @staticmethod
    def around(middle: float, share: float) -> Range:
        """`middle` plus and minus its `share`."""
        return Range(middle * (1 - share), middle, middle * (1 + share))


# Relative error of the tensors: image shapes and object counts differ between batches. The law
# adds its own error if the setting was not measured (docs/metrics.md).
_MEASURED, _BY_THE_LAW = 0.02, 0.03

# What the caching allocator reserves beyond the allocated memory, as a share of it, when memory is
# short: 0.5, 4.3 and 6.9 % in the out-of-memory messages of GPT2-Chinese#215, BrushNet#81 and
# CoSeR#10 (GitHub). Before it fails, it frees every block that is not in use.
_FRAGMENTATION = (0.005, 0.04, 0.07)

# Memory outside the allocator: 300 to 426 MiB with CUDA 11.7 and later, which loads kernels on
# first use (pytorch#107667, pytorch#109888, unsloth-zoo#1053), plus the kernels of a training.
_CONTEXT = Range(300 * _MIB, 450 * _MIB, 600 * _MIB)

# The share of NVML's total memory that CUDA can allocate: 79.15 of 80 GiB on an A100.
_OF_NVML = 0.985


@dataclass(frozen=True)
class Need:
    """The memory that a training needs, by parts: tensors first, named as in docs/metrics.md.

    Attributes:
        is_measured: whether this exact setting was measured, if only at other batch sizes.
    """

    parts: dict[str, Range]
    is_measured: bool

    @property
    def total(self) -> Range:
        """The sum of all parts."""
        return sum(self.parts.values(), Range(0, 0, 0))


def need(
    model: str,
    footprints: Sequence[Footprint],
    setting: Setting,
    batch_size: int,
    processes: int = 1,
) -> Need:
    """The need of each of `processes`, with `batch_size` images per process and iteration.

    Raises:
        UsageError: the known footprints of the model do not determine the need.
    """
    parts, is_measured = parts_at(model, footprints, setting, batch_size)
    tensors = peak(parts, processes)
    share = _MEASURED if is_measured else _BY_THE_LAW
    found = {name: Range.around(size, share) for name, size in tensors.items() if size}
    # An operator that cannot allocate its preferred workspace tries the next algorithm, with a
    # smaller one (ATen/native/cudnn), so the lower bound is zero.
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
    """The memory that one process can allocate on a GPU profile."""
    total = float(profile.memory_bytes)
    if profile.memory_is == "cuda":
        return Range(total, total, total)
    if profile.kind == "vgpu":
        # At most a sixteenth of the frame buffer and 16 MiB are reserved (NVIDIA vGPU Software User
        # Guide, "reserved frame buffer"; HBM reserves no more for ECC). The memory of the MIG
        # instance that the vGPU runs on is an upper bound.
        instance = find(f"{profile.gpu}-{profile.mig_profile}")
        most = min(total, instance.memory_bytes) if instance else total
        least = min(most, total * 15 / 16 - 16 * _MIB)
        return Range(least, (least + most) / 2, most)
    return Range(total * _OF_NVML, total * (1 + _OF_NVML) / 2, total)


def answer(needed: Need, available: Range) -> Answer:
    """Yes or no if the intervals of need and capacity do not overlap, otherwise borderline."""
    total = needed.total
    if total.high <= available.low:
        return "yes"
    if total.low > available.high:
        return "no"
    return "borderline"
