"""Opening text files of others: encodings, and numbers under other people's locales."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from detbench.errors import BadFileError

_GROUPED_BY_COMMA = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_GROUPED_BY_DOT = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d*)?")
_COMMA_DECIMAL = re.compile(r"[+-]?\d+,\d+")
NOT_AVAILABLE = frozenset({"", "n/a", "N/A", "nan", "[N/A]", "[Not Supported]"})


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a text file; a BOM is dropped, bytes that are not UTF-8 become replacement marks.

    Raises:
        BadFileError: it is no readable file, or an empty one.
    """
    try:
        stream = path.open(encoding="utf-8-sig", errors="replace", newline="")
    except OSError as error:
        raise BadFileError(path, f"cannot be read: {error.strerror}", "check the path") from error
    with stream:
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


def parse_numbers(cells: Sequence[str]) -> list[float]:
    """Numbers from the cells of one file, whose notation is decided from all of them.

    `1,275,068` is grouped and `9,00` has a decimal comma; `1,234` alone could be either.
    Cells that say "not available" become NaN.

    Raises:
        ValueError: a cell is no number, or the notation cannot be decided; its one argument is
            the words for the user.
    """
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        pass
    present = [cell for cell in cells if cell not in NOT_AVAILABLE]
    grouped = any(_surely_grouped(cell) for cell in present)
    comma_decimal = any(_surely_comma_decimal(cell) for cell in present)
    if grouped and comma_decimal:
        raise ValueError("numbers with decimal commas stand beside numbers with decimal points")
    if not grouped and not comma_decimal and any("," in cell for cell in present):
        example = next(cell for cell in present if "," in cell)
        raise ValueError(f"'{example}' could be grouped or have a decimal comma")
    return [_number(cell, comma_decimal) for cell in cells]


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


def _number(cell: str, comma_decimal: bool) -> float:
    if cell in NOT_AVAILABLE:
        return float("nan")
    plain = cell.replace(".", "").replace(",", ".") if comma_decimal else cell.replace(",", "")
    try:
        return float(plain)
    except ValueError:
        raise ValueError(f"'{cell}' is no number") from None
