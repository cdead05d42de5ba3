"""The checkout that this package runs from, and its commit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from detbench.errors import MissingError

_PACKAGE = Path(__file__).resolve().parent
_UNKNOWN = "unknown"
_PATIENCE = 10.0  # seconds for git, which looks at every file


def checkout() -> Path | None:
    """The checkout that this package runs from, or None if it was installed as a wheel."""
    root = _PACKAGE.parent
    return root if (root / "benchmarks").is_dir() and (root / "scripts").is_dir() else None


def source_checkout() -> Path:
    """The checkout, which has to exist.

    Raises:
        MissingError: detbench was installed without one.
    """
    root = checkout()
    if root is None:
        raise MissingError(
            "images are built from a checkout, and detbench is installed without one",
            "clone the repository",
        )
    return root


def commit() -> str:
    """The commit of the checkout, followed by `+` if files differ from it.

    DETBENCH_COMMIT names it where there is no repository; without either, or without git, it is
    `unknown`. Empty for a wheel.
    """
    if built := os.environ.get("DETBENCH_COMMIT"):  # an image has no repository
        return built
    root = checkout()
    if root is None:
        return ""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty=+"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return _UNKNOWN
    return done.stdout.strip() or _UNKNOWN
