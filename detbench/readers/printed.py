"""Tables that stand among other lines, in the three ways in which `nsys stats` prints one.

CSV ends at an empty line or where another report begins. The text forms, `column` and `table`,
have a rule of dashes under their header, and the rule says where each column is; a cell that was
too wide for its column ends in `…`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from detbench.errors import BadFileError
from detbench.readers.text import csv_cells

_DEVICE = re.compile(r"\((\d+)\)$")
_RULE = re.compile(r"[ +]?-+([ +]+-+)+[ +]*")
_END = ("==", "** ", "Processing", "SKIPPED", "[")


class Row(NamedTuple):
    """A row, or with no cells the header that those after it stand under."""

    number: int
    names: list[str]
    cells: list[str]


def rows(
    path: Path, lines: Iterable[str], wanted: Callable[[list[str]], bool], again: str
) -> Iterator[Row]:
    """The tables whose column names are `wanted`; `again` is the remedy for a damaged one.

    Raises:
        BadFileError: a row has not the cells that its header announces.
    """
    names: list[str] = []  # of the table that is being read
    spans: list[tuple[int, int]] = []  # its columns, where it is text
    before = ""
    for number, line in enumerate(lines, 1):
        place = f"line {number}"
        if _RULE.fullmatch(line.rstrip()):
            spans = [found.span() for found in re.finditer("-+", line)]
            found = _cut(before, spans)
            names = found if wanted(found) else []
            if names:
                yield Row(number, names, [])
        elif wanted(_csv_names(line)):
            names, spans = _csv_names(line), []
            yield Row(number, names, [])
        elif not line.strip() or (not spans and line.startswith(_END)):
            names = []
        elif names:
            cells = _cut(line, spans) if spans else csv_cells(path, line, place)
            cut_short = not cells[-1] if spans else line.count('"') % 2
            if len(cells) != len(names) or cut_short:
                raise BadFileError(path, "the row is cut short", again, place=place)
            yield Row(number, names, cells)
        before = line


class Once:
    """Refuses what stands twice in a table whose every row is another activity."""

    def __init__(self, path: Path, again: str) -> None:
        self._path = path
        self._again = again
        self._lines: dict[int, int] = {}  # hash of a row -> its line

    def add(self, number: int, cells: list[str]) -> None:
        """Take the row in line `number`.

        Raises:
            BadFileError: there was the same one before.
        """
        first = self._lines.setdefault(hash(tuple(cells)), number)
        if first != number:
            raise BadFileError(
                self._path,
                f"the same row stands in line {first}",
                self._again,
                place=f"line {number}",
            )


def is_copy(name: str) -> bool:
    """Whether an activity is a copy, as `[CUDA memcpy HtoD]` is, its name maybe cut: no kernel."""
    return name.startswith("[")


def device_number(device: str) -> str:
    """The number in `GeForce GTX 1080 Ti (0)`; what has none stands for itself."""
    found = _DEVICE.search(device)
    return found[1] if found else device


def why_none(lines: Iterable[str]) -> str:
    """The tool's own word for a table that it did not print; empty without one."""
    for line in lines:
        if line.startswith(("SKIPPED", "ERROR")):
            return line.strip()
    return ""


def _csv_names(line: str) -> list[str]:
    # Most lines hold no header; this is quicker than to take them apart.
    if "," not in line or ("Name" not in line and "Operation" not in line):
        return []
    return [cell.strip().strip('"') for cell in line.rstrip().split(",")]


def _cut(line: str, spans: list[tuple[int, int]]) -> list[str]:
    """The cells of a line of text; the last one may be longer than its rule."""
    line = line.rstrip().rstrip("|")
    ends = [end for _, end in spans[:-1]] + [len(line)]
    return [line[start:end].strip() for (start, _), end in zip(spans, ends, strict=True)]
