"""The cache of converted datasets, kept between runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/detbench`, by default under `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "detbench"


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` in the cache; if it is missing, `make` fills it.

    The folder appears only when complete. If several processes make it at once, one of them wins.
    """
    target = cache_folder() / name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{name}-") as work:
        made = Path(work) / "made"
        made.mkdir()
        make(made)
        try:
            made.rename(target)
        except OSError:
            if not target.is_dir():  # otherwise another process finished it first
                raise
    return target
