"""Estimates the memory that no tensor accounts for, cuDNN's workspaces, from published figures.

A published peak of the allocator minus the measured tensors is what operators allocated
internally. It is of the same order in models whose peaks differ by a factor of five, so one
number and its spread serve all models.
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
    """A published figure, and the measured tensors of the same model.

    Attributes:
        allocated: published peak of the allocator, in bytes.
        tensors: measured tensors at the peak of the training, in bytes.
    """

    model: str
    allocated: float
    tensors: float


def published() -> list[Published]:
    """The published figures, one per architecture: schedules share their figure."""
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
    """The predicted peak of the allocator for `row` in bytes, calibrated on the other figures."""
    return row.tensors + float(np.median([o.allocated - o.tensors for o in others]))


@cache
def workspace() -> tuple[float, float, float]:
    """Memory inside operators, in bytes: the 10th percentile, the median and the 90th."""
    rests = [max(0.0, row.allocated - row.tensors) for row in published()]
    low, middle, high = np.percentile(rests, [10, 50, 90])
    return float(low), float(middle), float(high)


def peak(parts: Parts, processes: int) -> dict[str, float]:
    """The parts of the phase with the highest total, in bytes.

    With several processes, DistributedDataParallel's buckets hold a second copy of each gradient.
    """
    buckets = max(own["gradients"] for own in parts.values()) if processes > 1 else 0.0
    highest = max(parts.values(), key=lambda own: sum(own.values()))
    return {**highest, "gradient buckets": buckets}


def with_kept_gradients(parts: Parts) -> Parts:
    """The parts as before torch 2.0, when zero_grad did not free gradients by default."""
    most = max(own["gradients"] for own in parts.values())
    return {phase: {**own, "gradients": most} for phase, own in parts.items()}
