"""The processes of a training: which one this is, and how they communicate.

torchrun starts them and sets RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE in their
environment; without it there is one process.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """A process among those of the training; `local_rank` counts on its machine only."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that reports, evaluates and saves."""
        return self.rank == 0


def join(device: str) -> World:
    """Join the other processes: NCCL between GPUs, gloo between CPUs."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    if "WORLD_SIZE" not in os.environ:
        return World()
    world = World(*(int(os.environ[name]) for name in names))
    if device == "cuda":
        torch.cuda.set_device(world.local_rank)
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    return world


def leave() -> None:
    """Leave the process group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def gathered(own: list[T], world: World) -> list[T]:
    """The lists of all processes, concatenated, on the main process; an empty list elsewhere."""
    if world.size == 1:
        return own
    parts: list[Any] | None = [None] * world.size if world.is_main else None
    dist.gather_object(own, parts)
    return [item for part in parts or () for item in part]


def from_main(value: T, world: World) -> T:
    """The main process's value, on every process."""
    if world.size == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box)
    return box[0]
