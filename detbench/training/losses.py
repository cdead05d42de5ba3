"""Brings losses to the host: at once, or when they have arrived, so that the host runs ahead."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import torch


class _Pending(NamedTuple):
    iteration: int
    names: tuple[str, ...]
    values: torch.Tensor  # on the host, there once `copied` has happened
    copied: torch.cuda.Event | None


class Losses:
    """The losses of a training's iterations, by name.

    Attributes:
        newest: the sum of the newest losses on the host; NaN before the first.
        of: the losses by iteration, for whoever takes them out.
    """

    def __init__(self) -> None:
        self._pending: deque[_Pending] = deque()
        self.newest = math.nan
        self.of: dict[int, dict[str, float]] = {}

    def put(self, iteration: int, losses: Mapping[str, torch.Tensor]) -> None:
        """Begin to copy an iteration's losses, all of them at once, as every copy has its price."""
        together = torch.stack([value.detach().float() for value in losses.values()])
        copied = None
        if together.is_cuda:
            host = torch.empty_like(together, device="cpu", pin_memory=True)
            together = host.copy_(together, non_blocking=True)
            copied = torch.cuda.Event()
            copied.record()
        self._pending.append(_Pending(iteration, tuple(losses), together, copied))

    def read(self, *, wait: bool) -> None:
        """Take the losses that have arrived, or with `wait` all of them.

        Raises:
            FloatingPointError: one is not finite; names its iteration.
        """
        while self._pending:
            iteration, names, values, copied = self._pending[0]
            if copied is not None and not copied.query():
                if not wait:
                    return
                copied.synchronize()
            self._pending.popleft()
            found = dict(zip(names, values.tolist(), strict=True))
            self.newest = sum(found.values())
            if not math.isfinite(self.newest):
                raise FloatingPointError(f"the loss became {self.newest} in iteration {iteration}")
            self.of[iteration] = found
