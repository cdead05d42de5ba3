"""Random weights that stay finite, for a run that measures speed and memory and no accuracy.

An untrained network with frozen batch norms explodes within a few iterations, as their statistics
are those of no input at all. Here each gets the statistics of its own first input, and the learning
rate is too small to change anything. Every iteration does the work of any other training.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from detbench.errors import MissingError
from detbench.training.protocol import Job

_RATE = 1e-9  # changes no weight by more than a rounding error
_PATIENCE = 20.0  # seconds for a server that does not answer
_FROZEN = "FrozenBatchNorm2d"  # of detectron2 and of torchvision


OTHER_WEIGHTS = "--weights none starts from scratch, --weights FILE from a downloaded file"
"""The remedy where the weights to start from cannot be had."""


class ZooUnreachableError(MissingError):
    """The zoo's weights can neither be found here nor fetched; the message says why."""


@contextmanager
def patience() -> Iterator[None]:
    """A block whose connections give up on a silent server."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def untrained(job: Job) -> Job:
    """The job with random weights, at a learning rate that changes nothing unless one was named."""
    rate = job.spec.learning_rate or _RATE
    return replace(
        job,
        spec=job.spec.model_copy(update={"weights": "random"}),
        schedule=job.schedule.model_copy(update={"learning_rate": rate}),
    )


def settle(model: nn.Module) -> None:
    """Let every frozen batch norm take the statistics of its first input."""
    for module in model.modules():
        if type(module).__name__ == _FROZEN:
            _settle_at_first_input(module)


def _settle_at_first_input(norm: nn.Module) -> None:
    @torch.no_grad()
    def take(_: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        values = arguments[0].detach().float()
        variance, mean = torch.var_mean(values, dim=(0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)  # type: ignore[operator]
        norm.running_var.copy_(variance)  # type: ignore[operator]
        handle.remove()

    handle = norm.register_forward_pre_hook(take)
