"""Reads several files for one table: a file that is refused costs the others nothing.

What can be read is printed; then each refusal is a line on stderr, and the exit code is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

from detbench.cli.parse.progress import reading
from detbench.errors import BadFileError, DetbenchError, MissingError

if TYPE_CHECKING:
    from detbench.api.files import Recording

T = TypeVar("T")


class Refusals:
    """The files of one command, and which of them were refused."""

    def __init__(self) -> None:
        self._refused: list[DetbenchError] = []

    def read(self, files: Sequence[Path], read: Callable[[Path], Recording]) -> list[Recording]:
        """The recordings of the files that can be read.

        Raises:
            BadFileError, MissingError: none of them can be.
        """
        found = []
        with reading(files) as each:
            for file in each:
                try:
                    found.append(read(file))
                except (BadFileError, MissingError) as error:
                    self._refused.append(error)
        if not found:
            self._stop()
        return found

    def tables(self, found: list[Recording], make: Callable[[list[Recording]], T]) -> T:
        """What `make` makes of the recordings; those that it refuses are removed from `found`.

        Raises:
            BadFileError: it refuses all of them.
        """
        while True:
            try:
                return make(found)
            except BadFileError as error:
                rest = [each for each in found if each.path != error.path]
                if len(rest) == len(found):  # about another file
                    raise
                self._refused.append(error)
                found[:] = rest
                if not found:
                    self._stop()

    def finish(self) -> None:
        """Tell the refusals.

        Raises:
            BadFileError, MissingError: there was one.
        """
        if self._refused:
            self._stop()

    def _stop(self) -> NoReturn:
        """Print all refusals but the last, which the program prints where it ends."""
        *others, last = self._refused
        for error in others:
            click.echo(f"detbench: {' '.join(str(error).split())}", err=True)
        raise last
