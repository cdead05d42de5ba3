"""The system's view of memory, as levels that each contain the one before.

The first level contains the tracked tensors. The difference between a level and the one before
is memory that no tensor explains, and has its own name, so the parts add up to the last level.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch


@dataclass(frozen=True)
class DeviceMemory:
    """A device's levels, innermost first.

    Attributes:
        levels: the name of each, and the name of its excess over the one before.
        read: returns their bytes now.
    """

    levels: tuple[tuple[str, str], ...]
    read: Callable[[], tuple[int, ...]]

    def beyond(self, tracked: int, reading: tuple[int, ...]) -> dict[str, int]:
        """Bytes by which every level exceeds the one before, if tensors hold `tracked` bytes."""
        inner = (tracked, *reading)
        return {name: reading[i] - inner[i] for i, (_, name) in enumerate(self.levels)}


def memory_of(device: torch.device) -> DeviceMemory:
    """The memory levels of a CPU process or a GPU."""
    if device.type == "cpu":
        return DeviceMemory((("resident", "(process)"),), _Resident())
    return DeviceMemory(
        (
            ("requested", "(inside operators)"),
            ("allocated", "(rounded up by the allocator)"),
            ("reserved", "(cached by the allocator)"),
            ("device used", "(outside the allocator)"),
        ),
        partial(_cuda, device),
    )


class _Resident:
    """Resident memory of this process (proc(5), statm, second field)."""

    def __init__(self) -> None:
        self._file = Path("/proc/self/statm").open("rb", buffering=0)  # noqa: SIM115 - read often
        self._page = os.sysconf("SC_PAGE_SIZE")

    def __call__(self) -> tuple[int, ...]:
        return (int(os.pread(self._file.fileno(), 100, 0).split()[1]) * self._page,)


def _cuda(device: torch.device) -> tuple[int, ...]:
    stats = torch.cuda.memory_stats_as_nested_dict(device)
    free, total = torch.cuda.mem_get_info(device)
    inside = (
        stats[f"{name}_bytes"]["all"]["current"] for name in ("requested", "allocated", "reserved")
    )
    return (*inside, total - free)
