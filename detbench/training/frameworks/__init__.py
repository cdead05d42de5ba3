"""The training frameworks: one module each, found by name."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from detbench.errors import MissingError
from detbench.suite import FRAMEWORKS
from detbench.training.protocol import Framework


def load_framework(name: str) -> Framework:
    """The framework of this name, which a family's `benchmark.yaml` has already checked.

    Raises:
        MissingError: the framework, or a package that it needs, is not installed.
    """
    try:
        return cast(Framework, import_module(f"detbench.training.frameworks.{name}"))
    except ModuleNotFoundError as error:
        raise MissingError(
            f"{name} cannot be imported here: {error}", FRAMEWORKS[name].install
        ) from error
