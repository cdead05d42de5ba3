"""Expands a verb's file arguments: paths and glob patterns."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from detbench.errors import BadFileError, UsageError


def expand(given: Sequence[str]) -> tuple[Path, ...]:
    """The files that paths and patterns match, each once; those of a pattern in natural order.

    Shells expand unquoted patterns themselves. A missing file is reported by its reader.

    Raises:
        BadFileError: a path is a folder.
        UsageError: a pattern matches no file.
    """
    found: dict[Path, None] = {}
    for text in given:
        path = Path(text)
        # os.path's tests return False without permission, where pathlib's may raise.
        if os.path.isdir(path):  # noqa: PTH112
            raise BadFileError(path, "is a folder", f"name files in it, such as '{path / '*'}'")
        if os.path.exists(path) or not glob.has_magic(text):  # noqa: PTH110
            found[path] = None
            continue
        matches = [Path(name) for name in glob.glob(text, recursive=True)]  # noqa: PTH207
        files = [match for match in matches if not match.is_dir()]
        if not files:
            raise UsageError(f"no file matches '{text}'", "check the pattern")
        found |= dict.fromkeys(sorted(files, key=natural))
    return tuple(found)


def natural(path: Path) -> list[tuple[int, int, str]]:
    """A sort key that puts bs2 before bs10."""
    return [
        (0, int(part), part) if part.isdigit() else (1, 0, part)
        for part in re.split(r"(\d+)", str(path))
    ]
