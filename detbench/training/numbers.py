"""The numbers that a training computes with: TF32, autocast, the memory layout, the compiler.

Everything is set explicitly, as torch's own defaults differ between convolutions and matmuls.
"""

from __future__ import annotations

import shutil
from typing import Any

import torch
from torch import nn

from detbench.errors import MissingError
from detbench.records.spec import HALF, Precision, RunSpec


def set_precision(precision: Precision) -> None:
    """Allow TF32 where the precision means it, and nowhere else."""
    allowed = precision != "fp32"
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def half_type(precision: Precision, device: torch.device) -> torch.dtype | None:
    """The type of autocast; None without it. A CPU's amp is bf16, as it has no fast fp16."""
    if precision not in HALF:
        return None
    return torch.float16 if precision == "amp" and device.type == "cuda" else torch.bfloat16


def scales_gradients(precision: Precision, device: torch.device) -> bool:
    """Whether gradients need scaling, lest they vanish in fp16."""
    return half_type(precision, device) is torch.float16


def lay_out(model: nn.Module, spec: RunSpec) -> None:
    """Lay the model's weights out as the spec wants, and compile its backbone.

    Raises:
        MissingError: torch.compile lacks a compiler for a CPU.
    """
    if spec.channels_last:
        model.to(memory_format=torch.channels_last)
        model.register_forward_pre_hook(_channels_last_images, with_kwargs=False)
    if spec.compile:
        if spec.device == "cpu" and not any(map(shutil.which, ("c++", "g++", "clang++"))):
            raise MissingError(
                "--compile on a CPU needs a C++ compiler",
                "apt-get install g++, or leave out --compile",
            )
        backbone_of(model).compile(dynamic=True)


def backbone_of(model: nn.Module) -> nn.Module:
    """The part that turns images into features, which all of our frameworks call `backbone`."""
    modules: dict[str, nn.Module] = dict(model.named_modules())
    return next(modules[name] for name in modules if name.rpartition(".")[2] == "backbone")


def _channels_last_images(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The model's arguments, with batches of images (N, C, H, W) in that layout."""
    return tuple(
        a.contiguous(memory_format=torch.channels_last)
        if isinstance(a, torch.Tensor) and a.ndim == 4
        else a
        for a in arguments
    )
