"""Programs and packages that some tests need. Without one they are skipped; in CI they fail."""

from __future__ import annotations

import os
import shutil
from importlib import import_module
from types import ModuleType
from typing import NoReturn

import pytest

from detbench.errors import MissingError
from detbench.launch import cgroup

IN_CI = bool(os.environ.get("CI"))


def absent(why: str) -> NoReturn:
    """End a test that lacks something: CI installs all of it, so there it is a failure."""
    if IN_CI:
        pytest.fail(f"CI has to bring what this test needs: {why}", pytrace=False)
    pytest.skip(why)


def program(name: str, how: str) -> str:
    """The path of a program; `how` says what installs it."""
    return shutil.which(name) or absent(f"needs {name}: {how}")


def package(name: str, how: str) -> ModuleType:
    """A Python package; `how` says what installs it."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        absent(f"needs the Python package {name}: {how}")


def memory_limits() -> None:
    """Skip where memory cannot be limited, in CI too: it is a right, which nothing installs."""
    try:
        with cgroup.limited(1 << 30):
            pass
    except MissingError as error:
        pytest.skip(str(error))
