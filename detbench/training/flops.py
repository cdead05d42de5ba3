"""Counts the floating-point operations of one iteration, by the type of their numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from detbench.records.spec import RunSpec, Throughput
from detbench.training.protocol import Hook, Step

_LEAST_WARM_UP = 3  # iterations: the counted one is neither the first nor the last of them


class FlopCounter(Hook):
    """Counts convolutions and matrix products, forward and backward, of one warm-up iteration.

    A multiplication and an addition are two operations, as torch's formulas have it
    (`torch.utils.flop_counter`); pointwise work is not counted. Nothing of the training changes.

    Args:
        first: the first iteration of this training, which may continue an earlier one.
        batch_size: the images of this process in an iteration.
    """

    def __init__(self, spec: RunSpec, batch_size: int, first: int = 0) -> None:
        self._batch_size = batch_size
        self._iteration = spec.window.start - 2
        self._why_not = _why_not(spec, first)
        self._mode = _ByType()

    def before_step(self, iteration: int) -> None:
        if iteration == self._iteration and not self._why_not:
            self._mode.__enter__()  # type: ignore[no-untyped-call]

    def after_step(self, step: Step) -> None:
        if step.iteration == self._iteration and not self._why_not:
            self._mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def added_to(self, speed: Throughput) -> Throughput:
        """The throughput with what was counted, or why nothing was."""
        if self._why_not or not self._mode.flops:
            return speed.model_copy(update={"flops_source": self._why_not or "nothing to count"})
        each = {name: count / self._batch_size for name, count in self._mode.flops.items()}
        source = f"torch's counter on the batch of iteration {self._iteration}"
        return speed.model_copy(update={"flops": each, "flops_source": source})


def _why_not(spec: RunSpec, first: int) -> str:
    if spec.mode != "noprofile":
        return f"not counted in mode {spec.mode}"
    if spec.compile:
        return "compiled operators cannot be counted"
    if spec.window.start < _LEAST_WARM_UP:
        return f"a window that starts before iteration {_LEAST_WARM_UP} leaves none to count"
    if first > spec.window.start - 2:
        return "the training went on from a checkpoint behind that iteration"
    return ""


class _ByType(TorchDispatchMode):
    """Adds up the operations of everything that runs, by the type of its first tensor."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        out = function(*args, **kwargs)
        count = flop_registry.get(function._overloadpacket)
        if count is not None:
            tensor = next(a for a in args if isinstance(a, torch.Tensor))
            kind = str(tensor.dtype).removeprefix("torch.")
            self.flops[kind] += count(*args, **kwargs, out_val=out)
        return out
