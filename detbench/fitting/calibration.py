"""What published figures say of the memory that no tensor explains: cuDNN's workspaces.

A published peak of the allocator, less the tensors that were measured, is what operators took
within themselves. It is of the same order in models that differ by a factor of five, so that it is
one number here, and its spread the interval's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from detbench.fitting.footprints import Setting, architecture, known
from detbench.fitting.law import Parts, parts_at

_FILE = Path(__file__).with_name("published.yaml")
_GIB = 1 << 30


@dataclass(frozen=True)
class Published:
    """A published figure and what was measured of the same model.

    Attributes:
        allocated: bytes, as published.
        tensors: bytes of the tensors that its training holds at its peak, as measured.
    """

    model: str
    allocated: float
    tensors: float


def published() -> list[Published]:
    """The figures, one an architecture: another schedule's is no other figure."""
    data = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    found = {}
    for figures in data["memory_gib"].values():
        for model, gib in figures.items():
            footprints = known("detectron2", model)
            parts, _ = parts_at(model, footprints, Setting(), data["batch_size"])
            tensors = peak(with_kept_gradients(parts), data["processes"])
            found[architecture(model)] = Published(model, gib * _GIB, sum(tensors.values()))
    return list(found.values())


def predicted(row: Published, others: list[Published]) -> float:
    """Bytes that the allocator gives out at most for `row`'s training, by the other figures."""
    return row.tensors + float(np.median([o.allocated - o.tensors for o in others]))


@cache
def workspace() -> tuple[float, float, float]:
    """Bytes within operators: the 10th percentile, the median and the 90th."""
    rests = [max(0.0, row.allocated - row.tensors) for row in published()]
    low, middle, high = np.percentile(rests, [10, 50, 90])
    return float(low), float(middle), float(high)


def peak(parts: Parts, processes: int) -> dict[str, float]:
    """The parts of the phase that holds most.

    Several processes have a second copy of every gradient, in DistributedDataParallel's buckets.
    """
    buckets = max(own["gradients"] for own in parts.values()) if processes > 1 else 0.0
    highest = max(parts.values(), key=lambda own: sum(own.values()))
    return {**highest, "gradient buckets": buckets}


def with_kept_gradients(parts: Parts) -> Parts:
    """The parts as they were before torch 2.0, whose zero_grad gives gradients back by default."""
    most = max(own["gradients"] for own in parts.values())
    return {phase: {**own, "gradients": most} for phase, own in parts.items()}
