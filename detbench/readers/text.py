"""Opening text files of others: encodings, and numbers under other people's locales."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from detbench.errors import BadFileError

_GROUPED_BY_COMMA = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_GROUPED_BY_DOT = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d*)?")
_COMMA_DECIMAL = re.compile(r"[+-]?\d+,\d+")
Numbers = npt.NDArray[np.float64]
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


def read_head(path: Path, num_bytes: int) -> bytes:
    """The first bytes of a file, by which its format is told.

    Raises:
        BadFileError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(num_bytes)
    except OSError as error:
        raise BadFileError(path, f"cannot be read: {error.strerror}", "check the path") from error


def csv_cells(path: Path, line: str, place: str) -> list[str]:
    """The cells of one line of CSV.

    Raises:
        BadFileError: it is none.
    """
    # Logs of many GB quote every cell, and few cells hold a quote: then no quote is left over
    # when two are taken for each cell, and splitting is all there is to parsing.
    text = line.rstrip("\r\n")
    cells = text[1:-1].split('","')
    if text[:1] == text[-1:] == '"' and text.count('"') == 2 * len(cells):
        return cells
    try:
        return next(csv.reader([line], skipinitialspace=True), [])
    except csv.Error as error:
        raise BadFileError(path, f"not CSV: {error}", place=place) from error


def parse_numbers(cells: Sequence[str]) -> list[float]:
    """Numbers from the cells of one file, whose notation is decided from all of them.

    Raises:
        ValueError: a cell is no number, or the notation cannot be decided; its one argument is
            the words for the user.
    """
    notation = Notation()
    return list(map(float, notation.settled(notation.read(cells))))


class Notation:
    """How a file writes its numbers, learnt from all its cells, however many there are.

    `1,275,068` is grouped and `9,00` has a decimal comma; `1,234` alone could be either.
    Cells that say "not available" become NaN.
    """

    def __init__(self) -> None:
        self._grouped = False
        self._comma_decimal = False

    def read(self, cells: Sequence[str]) -> Numbers | Sequence[str]:
        """The numbers of some cells, or the cells themselves if they do not tell for certain.

        Raises:
            ValueError: as `parse_numbers` does.
        """
        numbers = _plain(cells)
        odd = [] if numbers is not None else [c for c in cells if c not in NOT_AVAILABLE]
        self._grouped = self._grouped or any(map(_surely_grouped, cells))
        self._comma_decimal = self._comma_decimal or any(map(_surely_comma_decimal, odd))
        if self._grouped and self._comma_decimal:
            raise ValueError("numbers with decimal commas stand beside numbers with decimal points")
        if self._grouped or self._comma_decimal:
            return self.settled(cells if numbers is None or self._comma_decimal else numbers)
        if numbers is not None and not any("." in cell for cell in cells):
            return numbers  # digits alone mean the same in any notation
        return cells

    def settled(self, read: Numbers | Sequence[str]) -> Numbers:
        """The numbers of what `read` returned, once all cells of the file went through it.

        Raises:
            ValueError: as `parse_numbers` does.
        """
        if isinstance(read, np.ndarray):
            return read
        if not self._comma_decimal and (numbers := _plain(read)) is not None:
            return numbers
        if not self._grouped and not self._comma_decimal:
            example = next((cell for cell in read if "," in cell), None)
            if example is not None:
                raise ValueError(f"'{example}' could be grouped or have a decimal comma")
        return np.array([_number(cell, self._comma_decimal) for cell in read], float)


def _plain(cells: Sequence[str]) -> Numbers | None:
    try:
        return np.array(list(map(float, cells)), float)
    except ValueError:
        return None


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
