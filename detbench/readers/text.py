"""Opening text files of others: encodings, and numbers under other people's locales."""

from __future__ import annotations

import codecs
import csv
import io
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from detbench.errors import BadFileError

_GROUPED_BY_COMMA = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_GROUPED_BY_DOT = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d*)?")
_PLAIN = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_COMMA_DECIMAL = re.compile(r"[+-]?\d+,\d+")
NOT_AVAILABLE = frozenset({"", "n/a", "N/A", "nan", "[N/A]", "[Not Supported]"})
_MOST = 2.0**63  # no counter and no time is larger; sums of what is smaller stay finite

_NANOSECONDS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
_LONGEST = 1 << 53  # ns, 104 days: sums of times stay exact


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file.

    Raises:
        BadFileError: it is none, or cannot be read to its end.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise BadFileError(path, "cannot be read: it is a folder", "name a file in it")
        if not stat.S_ISREG(mode):  # opening a pipe could wait for ever, and it cannot be reread
            raise BadFileError(path, "cannot be read: it is no file", "write it into a file first")
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise BadFileError(
            path, f"cannot be read: {error.strerror or error}", "check the path"
        ) from error


def encoding_of(start: bytes) -> str:
    """The encoding of a text file that starts so. PowerShell's `>` writes UTF-16."""
    is_utf16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return "utf-16" if is_utf16 else "utf-8-sig"


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a text file; a BOM is dropped, bytes that are no text become replacement marks.

    Raises:
        BadFileError: it is no readable file, or an empty one.
    """
    with open_bytes(path) as raw:
        encoding = encoding_of(raw.read(2))
        raw.seek(0)
        stream = io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="")
        if not stream.read(1):
            raise BadFileError(path, "the file is empty", "profile again, or take another file")
        stream.seek(0)
        yield stream


def csv_cells(path: Path, line: str, place: str) -> list[str]:
    """The cells of one line of CSV.

    Raises:
        BadFileError: it is none.
    """
    try:
        return next(csv.reader([line], skipinitialspace=True), [])
    except csv.Error as error:
        raise BadFileError(path, f"not CSV: {error}", place=place) from error


class NoNumberError(ValueError):
    """A cell that cannot be read for certain: the words for the user, and its place in the list."""

    def __init__(self, words: str, index: int) -> None:
        super().__init__(words)
        self.index = index


def parse_numbers(cells: Sequence[str]) -> list[float]:
    """Numbers from the cells of one file, whose notation is decided from all of them.

    `1,275,068` is grouped and `9,00` has a decimal comma; `1,234` alone could be either.
    Cells that say "not available" become NaN.

    Raises:
        NoNumberError: a cell is no number, or the notation cannot be decided.
    """
    try:
        numbers = [float(cell) for cell in cells]
        text = "".join(cells)
        # Beside what Python reads: 1_000, digits of other scripts, inf, and what is too large.
        if text.isascii() and "_" not in text and sum(map(abs, numbers)) < _MOST:
            return numbers
    except ValueError:
        pass
    present = [cell for cell in cells if cell not in NOT_AVAILABLE]
    grouped = any(_surely_grouped(cell) for cell in present)
    comma_decimal = next((cell for cell in present if _surely_comma_decimal(cell)), None)
    if grouped and comma_decimal is not None:
        raise NoNumberError(
            "numbers with decimal commas stand beside numbers with decimal points",
            cells.index(comma_decimal),
        )
    example = next((cell for cell in present if "," in cell), None)
    if not grouped and comma_decimal is None and example is not None:
        raise NoNumberError(
            f"'{example}' could be grouped or have a decimal comma", cells.index(example)
        )
    return [_number(cell, index, comma_decimal is not None) for index, cell in enumerate(cells)]


def _surely_grouped(cell: str) -> bool:
    return (
        (cell.count(",") > 1 and bool(_GROUPED_BY_COMMA.fullmatch(cell)))
        or ("." in cell and "," not in cell and not _GROUPED_BY_DOT.fullmatch(cell))
        or ("," in cell and "." in cell and bool(_GROUPED_BY_COMMA.fullmatch(cell)))
    )


def _surely_comma_decimal(cell: str) -> bool:
    if "," not in cell:
        return cell.count(".") > 1 and bool(_GROUPED_BY_DOT.fullmatch(cell))
    return not _GROUPED_BY_COMMA.fullmatch(cell) and bool(
        _COMMA_DECIMAL.fullmatch(cell) or _GROUPED_BY_DOT.fullmatch(cell)
    )


def _number(cell: str, index: int, comma_decimal: bool) -> float:
    if cell in NOT_AVAILABLE:
        return float("nan")
    plain = cell.replace(".", "").replace(",", ".") if comma_decimal else cell.replace(",", "")
    if not _PLAIN.fullmatch(plain):
        raise NoNumberError(f"'{cell[:40]}' is no number", index)
    number = float(plain)
    if abs(number) >= _MOST:
        raise NoNumberError(f"{cell[:40]} is too large", index)
    return number


def nanoseconds_in(unit: str) -> float | None:
    """How long a unit of time is; None of one that is not known."""
    return _NANOSECONDS.get(unit)


def whole(number: float) -> int:
    """A count or a time in ns, rounded.

    Raises:
        ValueError: it is negative, missing or beyond what a file can be about.
    """
    if not 0 <= number < _LONGEST:
        raise ValueError(f"{number:g} is out of range" if number == number else "no number in it")
    return round(number)
