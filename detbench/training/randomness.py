"""Random numbers that depend only on the seed and the position in the training.

So a training that continues from a checkpoint draws the same numbers as an uninterrupted one,
with any number of processes and data loader workers.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch.utils.data import Sampler

from detbench.training.protocol import Hook

_ITERATION, _SAMPLE, _ORDER = range(3)  # the purpose of a number


def _seed(*place: int) -> int:
    return int(np.random.SeedSequence(place).generate_state(1)[0])


def seed_all(seed: int) -> None:
    """Seed Python's, numpy's and torch's generators."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def be_deterministic() -> None:
    """Make torch refuse operators without a deterministic implementation."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS's own condition for it
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


class Reseed(Hook):
    """Gives every iteration of every process its own seed."""

    def __init__(self, seed: int, rank: int) -> None:
        self._seed, self._rank = seed, rank

    def before_step(self, iteration: int) -> None:
        seed_all(_seed(self._seed, _ITERATION, self._rank, iteration))


@contextmanager
def drawing_for(seed: int, position: int) -> Iterator[None]:
    """Seed the CPU's generators for the sample at `position` within the block."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    own = _seed(seed, _SAMPLE, position)
    random.seed(own)
    np.random.seed(own)
    torch.default_generator.manual_seed(own)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


class Order(Sampler[tuple[int, int]]):
    """The order of the training's samples: every image once before any is repeated.

    Yields (position in the whole training, index of the image) for every `size`-th position from
    `start` on, beginning with the `rank`-th.
    """

    def __init__(
        self, num_images: int, seed: int, *, start: int = 0, rank: int = 0, size: int = 1
    ) -> None:
        self._num_images, self._seed = num_images, seed
        self._start, self._rank, self._size = start, rank, size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        position, shuffled_for, shuffled = self._start + self._rank, -1, np.empty(0, int)
        while True:
            epoch, place = divmod(position, self._num_images)
            if epoch != shuffled_for:
                rng = np.random.default_rng([self._seed, _ORDER, epoch])
                shuffled_for, shuffled = epoch, rng.permutation(self._num_images)
            yield position, int(shuffled[place])
            position += self._size
