"""One module a training framework, found by its name."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from detbench.errors import MissingError
from detbench.training.protocol import Framework

_INSTALL = {
    "detectron2": "bash scripts/install_detectron2.sh --source pypi (CPU) or --source git (GPU)",
    "effdet": "pip install '.[effdet]'",
    "torchvision": "pip install torchvision",
}


def load_framework(name: str) -> Framework:
    """The framework of this name, which a family's `benchmark.yaml` has already checked.

    Raises:
        MissingError: it, or a package it needs, is not installed.
    """
    try:
        return cast(Framework, import_module(f"detbench.training.frameworks.{name}"))
    except ModuleNotFoundError as error:
        raise MissingError(f"{name} cannot be imported here: {error}", _INSTALL[name]) from error
