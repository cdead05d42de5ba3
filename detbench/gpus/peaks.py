"""What a GPU can do at most: arithmetic by precision, and memory bandwidth.

The figures, with their sources, are in `peaks.yaml`. A slice of a GPU has the share of the
arithmetic that its multiprocessors are, and the bandwidth of its memory slices: an eighth of the
GPU's each, on an A30 a quarter (NVIDIA MIG User Guide, "GPU Memory Slice").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from detbench.gpus.profiles import GpuProfile, profile_named

_FILE = Path(__file__).with_suffix(".yaml")
_TERA, _GIGA = 1e12, 1e9
_COMPUTE = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8")
_MEMORY_SLICES = {4: 4, 7: 8}  # by the number of compute slices


@dataclass(frozen=True)
class Peaks:
    """The most that a GPU or a slice of one can do; None if no source states it.

    Attributes:
        fp64, fp32: FLOP/s on the ordinary cores.
        tf32, fp16, bf16, fp8: dense FLOP/s on Tensor Cores.
        memory: bytes/s between the GPU and its memory.
    """

    fp64: float | None = None
    fp32: float | None = None
    tf32: float | None = None
    fp16: float | None = None
    bf16: float | None = None
    fp8: float | None = None
    memory: float | None = None
    source: str = ""


def peaks(profile: GpuProfile, name: str = "") -> Peaks:
    """The peaks of a profile.

    `name` is NVML's name of the whole GPU. Where boards of one profile differ, as the A100's with
    SXM and PCIe, a figure is None without it.
    """
    whole = profile_named(profile.gpu)
    figures = _figures().get(whole.name)
    if figures is None:
        return Peaks()
    compute = 1.0
    if profile.num_sms != whole.num_sms:
        compute = (profile.num_sms or 0) / (whole.num_sms or 1)
    memory = 1.0
    if profile.kind != "full":
        parts = _MEMORY_SLICES[whole.total_slices]
        memory = round(parts * profile.memory_bytes / whole.memory_bytes) / parts
    found = {key: _of_board(figures.get(key), name) for key in (*_COMPUTE, "memory")}
    scale = {**dict.fromkeys(_COMPUTE, compute * _TERA), "memory": memory * _GIGA}
    return Peaks(
        **{key: value * scale[key] or None for key, value in found.items() if value is not None},
        source=figures["source"],
    )


def _of_board(figure: float | dict[str, float] | None, name: str) -> float | None:
    return figure.get(name) if isinstance(figure, dict) else figure


@cache
def _figures() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return found
