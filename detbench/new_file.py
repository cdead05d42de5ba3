"""Output files that a user names: always new, as nothing may be overwritten."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from detbench.errors import UsageError

_REMEDY = "name a new file"


def refuse_existing(path: Path, what: str) -> None:
    """Refuse an existing output file before the work that would fill it.

    Args:
        path: the output file.
        what: the option that named it, such as `--output`.

    Raises:
        UsageError: it exists, or its folder does not.
    """
    if os.path.lexists(path):
        raise UsageError(f"{what} {path} exists already", _REMEDY)
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"{what} {path}: there is no folder {path.parent}", "create it first")


@contextmanager
def new_file(path: Path, what: str) -> Iterator[BinaryIO]:
    """Open a new file for writing; `what` is the option that named it, such as `--output`.

    Nothing is left of a file that cannot be written to its end.

    Raises:
        UsageError: the file exists already, or cannot be written.
    """
    try:
        stream = path.open("xb")  # never overwrites
        try:
            with stream:
                yield stream
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{what} {path} cannot be written: {error.strerror}", _REMEDY) from error
