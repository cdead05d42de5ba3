"""What a format is, to the tests that mutate files of it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.mutation.outcome import Rows


@dataclass(frozen=True)
class Format:
    """A format and one small valid file of it.

    Attributes:
        name: what the tests are called by.
        verb: the verb that reads it, with the options of the table that `shown` looks at.
        content: the file.
        is_data: whether a line holds data. The other lines are headers and words around it.
        answer: what the table says when exactly these lines of data, in this order, are left of
            the file; None where that has to be refused.
        shown: the same figures out of the verb's rows.
        is_ordered: whether the order of the lines has a meaning.
        leaves_out: whether a last line that was cut is left out, not refused.
        enough: what a line that was cut must hold to count.
        ends_in: what an unquoted cell at the end of a line is. A `number` may go on behind the end
            of a file, so such a file is refused; a `name` that is cut costs no figure.
        may_refuse: whether a file without some of its lines is refused also where it need not be.
    """

    name: str
    verb: tuple[str, ...]
    content: bytes
    is_data: Callable[[bytes], bool]
    answer: Callable[[list[bytes]], Any]
    shown: Callable[[Rows], Any]
    suffix: str = ".csv"
    is_ordered: bool = False
    leaves_out: bool = False
    enough: bytes = b""
    ends_in: str = ""
    may_refuse: bool = False

    @property
    def lines(self) -> list[bytes]:
        """The lines, each with its end."""
        return self.content.splitlines(keepends=True)

    @property
    def is_text(self) -> bool:
        """Whether it has lines at all."""
        return not self.content.startswith((b"\x1f\x8b", b"SQLite", b"\x80"))

    def of(self, lines: Iterable[bytes]) -> Any:
        """The answer for those of `lines` that hold data and are whole."""
        whole = {line.rstrip(b"\n") for line in self.lines if self.is_data(line)}
        return self.answer([line for line in lines if line.rstrip(b"\n") in whole])


def csv_cells(line: bytes) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line.decode()]))]


def has(*words: bytes) -> Callable[[bytes], bool]:
    return lambda line: any(word in line for word in words)
