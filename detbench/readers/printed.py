"""Tables among other lines, in the forms that `nsys stats` prints.

JSON is a list of rows (`printed_json`). CSV ends at an empty line or where another report begins.
The text forms, `column` and `table`, have a rule of dashes under the header, which gives the
position of each column; a cell that was too wide for its column ends in `…`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from detbench.errors import BadFileError
from detbench.readers.printed_json import blocks
from detbench.readers.text import csv_cells

_DEVICE = re.compile(r"\((\d+)\)$")
_RULE = re.compile(r"[ +]?-+([ +]+-+)+[ +]*")
_NAMES = ("Name", "Operation", "Range")  # one of them is in every header
_END = ("==", "** ", "Processing", "SKIPPED", "[")


class Row(NamedTuple):
    """A row; without cells it is the header of the rows that follow."""

    number: int
    names: list[str]
    cells: list[str]


def rows(
    path: Path, lines: Iterable[str], wanted: Callable[[list[str]], bool], again: str
) -> Iterator[Row]:
    """The tables whose column names are `wanted`; `again` is the remedy for a damaged one.

    Raises:
        BadFileError: a row has more or fewer cells than its header, or is not under it.
    """
    names: list[str] = []  # of the current table
    spans: list[tuple[int, int]] = []  # its columns, in a text form
    bars: list[str] = []  # and what is between them
    before = ""
    for number, line, keys, objects in blocks(path, lines, again):
        place = f"line {number}"
        if keys:  # a table in JSON
            names = []
            if wanted(keys):
                yield Row(number, keys, [])
                yield from (Row(row, keys, cells) for row, cells in objects)
            continue
        if _RULE.fullmatch(line.rstrip()):
            spans = [found.span() for found in re.finditer("-+", line)]
            found = _cut(before, spans)
            names = found if wanted(found) else []
            if names:
                bars = _between(before, spans)
                yield Row(number, names, [])
        elif wanted(_csv_names(line)):
            names, spans = _csv_names(line), []
            yield Row(number, names, [])
        elif not line.strip() or (not spans and line.startswith(_END)):
            names = []
        elif names:
            if spans and _between(line, spans) != bars:
                raise BadFileError(
                    path, "the row is not in line with its header", again, place=place
                )
            cells = _cut(line, spans) if spans else csv_cells(path, line, place)
            cut_short = not cells[-1] if spans else line.count('"') % 2
            if len(cells) != len(names) or cut_short:
                raise BadFileError(path, "the row is cut short", again, place=place)
            yield Row(number, names, cells)
        before = line


class Once:
    """Refuses a repeated row in a table where every row is a different activity."""

    def __init__(self, path: Path, again: str) -> None:
        self._path = path
        self._again = again
        self._lines: dict[int, int] = {}  # hash of a row -> its line

    def add(self, number: int, cells: list[str]) -> None:
        """Add the row in line `number`.

        Raises:
            BadFileError: the same row was there before.
        """
        first = self._lines.setdefault(hash(tuple(cells)), number)
        if first != number:
            raise BadFileError(
                self._path,
                f"the row repeats line {first}",
                self._again,
                place=f"line {number}",
            )


def is_copy(name: str) -> bool:
    """Whether an activity is a copy, such as `[CUDA memcpy HtoD]`; the name may be truncated."""
    return name.startswith("[")


def device_number(device: str) -> str:
    """The number in `GeForce GTX 1080 Ti (0)`; a name without one is returned as it is."""
    found = _DEVICE.search(device)
    return found[1] if found else device


def why_none(lines: Iterable[str]) -> str:
    """The line in which the tool says why it printed no table; empty if there is none."""
    for line in lines:
        if line.startswith(("SKIPPED", "ERROR")):
            return line.strip()
    return ""


def _csv_names(line: str) -> list[str]:
    # Most lines are not a header, and this check is quicker than splitting them.
    if "," not in line or not any(word in line for word in _NAMES):
        return []
    return [cell.strip().strip('"') for cell in line.rstrip().split(",")]


def _cut(line: str, spans: list[tuple[int, int]]) -> list[str]:
    """The cells of a line of text; the last one may extend beyond its rule."""
    line = line.rstrip().rstrip("|")
    ends = [end for _, end in spans[:-1]] + [len(line)]
    return [line[start:end].strip() for (start, _), end in zip(spans, ends, strict=True)]


def _between(line: str, spans: list[tuple[int, int]]) -> list[str]:
    """What stands before each column: nothing, or the table's `|`; else a digit would be lost."""
    begins = [0, *(end for _, end in spans)]
    return [line[begin:start].strip() for begin, (start, _) in zip(begins, spans, strict=False)]
