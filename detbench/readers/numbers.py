"""Numbers as other programs print them: locales, units, and cells that are not numbers.

What is read into whole numbers, times or seconds passes one of the functions at the end: they
refuse digits that a damaged file has too many of, `1e400`, `inf` and negative lengths of time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
_UNMEASURED = ("(!) nan", "(!) n/a")  # by Nsight Compute
NOT_AVAILABLE = frozenset({"", "n/a", "N/A", "nan", "[N/A]", "[Not Supported]", *_UNMEASURED})
NANOSECONDS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
LONGEST = 1 << 53
"""In ns, 104 days: no activity is longer, and sums of shorter ones stay exact."""

_MOMENT = 1 << 62  # in ns; no time since an epoch is larger
_SECONDS = LONGEST / 1e9
_INTEGER = re.compile(r"\s*([+-]?\d{1,19})(?:\.0*)?\s*", re.ASCII)

_GROUPED_BY_COMMA = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_GROUPED_BY_DOT = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d*)?")
_PLAIN = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_COMMA_DECIMAL = re.compile(r"[+-]?\d+,\d+")
_ANY_DIGIT = str.maketrans("123456789", "000000000")
_MOST = 2.0**63  # no counter and no time is larger, and sums of smaller values stay finite


class NoNumberError(ValueError):
    """A cell that cannot be read with certainty: the message, and its place in the list."""

    def __init__(self, words: str, index: int) -> None:
        super().__init__(words)
        self.index = index


def parse_numbers(cells: Sequence[str]) -> list[float]:
    """Numbers from the cells of one file; all of them together decide its notation.

    Raises:
        NoNumberError: a cell is not a number, or the notation cannot be decided.
    """
    notation = Notation()
    return list(map(float, notation.settled(notation.read(cells))))


class Notation:
    """How a file writes its numbers, learnt from all its cells, block by block.

    `1,275,068` has grouped digits and `9,00` has a decimal comma; `1,234` alone could be either.
    Cells that say "not available" become NaN.
    """

    def __init__(self) -> None:
        self._grouped = False
        self._comma_decimal = False

    def read(self, cells: Sequence[str]) -> Numbers | Sequence[str]:
        """The numbers in some cells, or the cells themselves while the notation is uncertain.

        Raises:
            NoNumberError: as in `parse_numbers`; its place is in `cells`.
        """
        numbers = _plain(cells)
        if numbers is not None and self._grouped:
            return numbers
        shapes = _shapes(cells)
        grouped = next(filter(_surely_grouped, shapes), None)
        comma_decimal = None
        if numbers is None:
            present = (shape for shape in shapes if shape not in NOT_AVAILABLE)
            comma_decimal = next(filter(_surely_comma_decimal, present), None)
        self._grouped = self._grouped or grouped is not None
        self._comma_decimal = self._comma_decimal or comma_decimal is not None
        if self._grouped and self._comma_decimal:
            odd = _surely_comma_decimal if comma_decimal is not None else _surely_grouped
            raise NoNumberError(
                "some numbers have decimal commas, others have decimal points",
                next(i for i, cell in enumerate(cells) if odd(cell)),
            )
        if self._grouped or self._comma_decimal:
            return self.settled(cells if numbers is None or self._comma_decimal else numbers)
        if numbers is not None and not any("." in shape for shape in shapes):
            return numbers  # digits alone mean the same in any notation
        return cells

    def settled(self, read: Numbers | Sequence[str]) -> Numbers:
        """The numbers in what `read` returned, once it has seen all cells of the file.

        Raises:
            NoNumberError: as in `parse_numbers`; its place is in the cells that `read` was given.
        """
        if isinstance(read, np.ndarray):
            return read
        if not self._comma_decimal and (numbers := _plain(read)) is not None:
            return numbers
        if not self._grouped and not self._comma_decimal:
            example = next((cell for cell in read if "," in cell), None)
            if example is not None:
                raise NoNumberError(
                    f"'{example}' could be grouped or have a decimal comma", read.index(example)
                )
        if self._grouped:
            plain = _without_commas(read)
            if (
                all(map(_PLAIN.fullmatch, _shapes(plain)))
                and (numbers := _plain(plain)) is not None
            ):
                return numbers
        found = (_number(cell, index, self._comma_decimal) for index, cell in enumerate(read))
        return np.fromiter(found, float, len(read))


def _plain(cells: Sequence[str]) -> Numbers | None:
    """The numbers, if Python reads each of them as the C locale writes it; else None."""
    try:
        numbers = np.fromiter(map(float, cells), float, len(cells))
    except ValueError:
        return None
    text = "".join(cells)
    # Python also reads 1_000, digits of other scripts, inf, and numbers that are too large.
    if not text.isascii() or "_" in text or bool((np.abs(numbers) >= _MOST).any()):
        return None
    return numbers


def _shapes(cells: Sequence[str]) -> set[str]:
    """The distinct cells where all digits are the same: a few, of any number of cells."""
    return set(_each(cells, lambda text: text.translate(_ANY_DIGIT)))


def _without_commas(cells: Sequence[str]) -> list[str]:
    return _each(cells, lambda text: text.replace(",", ""))


def _each(cells: Sequence[str], change: Callable[[str], str]) -> list[str]:
    """The cells after a change of single characters, made to all of them at once if it can be."""
    text = "\n".join(cells)
    if text.count("\n") == len(cells) - 1:
        return change(text).split("\n")
    return list(map(change, cells))


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
        raise NoNumberError(f"'{cell[:40]}' is not a number", index)
    number = float(plain)
    if abs(number) >= _MOST:
        raise NoNumberError(f"{cell[:40]} is too large", index)
    return number


def whole(number: float) -> int:
    """A count or a length of time in ns, rounded.

    Raises:
        ValueError: it is negative, missing, or larger than any real count or time.
    """
    if not 0 <= number < LONGEST:
        raise ValueError(f"{number:g} is out of range" if number == number else "no number in it")
    return round(number)


def moment(number: float) -> int:
    """A time in ns since any origin, rounded; whole numbers keep all their digits.

    Raises:
        ValueError: it is missing, or larger than any real time.
    """
    if not -_MOMENT < number < _MOMENT:
        raise ValueError(f"{number:.6g} is no time" if number == number else "no number in it")
    return round(number)


def integer(cell: str) -> int:
    """A whole number, such as a device or a stream, as a program writes it.

    Raises:
        ValueError: it is none, or has too many digits.
    """
    found = _INTEGER.fullmatch(cell)
    if found is None:
        raise ValueError(f"'{cell[:40]}' is not a whole number")
    return moment(int(found[1]))


def impossible(start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which of the times in ns nothing has that ran."""
    outside = (end < start) | (start < -_MOMENT) | (end > _MOMENT)
    return outside | (end - start > LONGEST)


def count(value: Any) -> int:
    """A number of iterations.

    Raises:
        ValueError, TypeError, OverflowError: it is none.
    """
    number = int(value)
    if not 0 <= number < LONGEST:
        raise ValueError(f"{str(value)[:40]} is not an iteration")
    return number


def seconds(value: Any) -> float:
    """A length of time.

    Raises:
        ValueError, TypeError, OverflowError: it is none, or longer than any.
    """
    number = float(value)
    if not 0 <= number < _SECONDS:
        raise ValueError(f"{str(value)[:40]} is not a time")
    return number


def finite(value: Any) -> float:
    """A figure; NaN says that there is none.

    Raises:
        ValueError, TypeError, OverflowError: it is no number, or infinite.
    """
    number = float(value)
    if math.isinf(number):
        raise ValueError(f"{str(value)[:40]} is not a figure")
    return number
