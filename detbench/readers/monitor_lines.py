"""The lines of a monitor's output: headers that name the columns, and samples.

Four forms are told apart by the header. `nvidia-smi --query-gpu` and detbench write CSV, `dmon` and
`pmon` columns of text or CSV whose header begins with `#`, `dcgmi dmon` columns of text whose first
one, the entity, may hold a space. A header may be repeated before every sample. What a terminal
showed before the first header, and the prompts of its shell, are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from detbench.errors import BadFileError
from detbench.readers.line_prefix import prefix_of, without
from detbench.readers.text import csv_cells, open_text

ENTITY = "entity"
"""The first column of `dcgmi dmon`."""
PROCESS = ("pid", "type")
"""The columns of `nvidia-smi pmon` that say which process a row is about."""
STAMP = "timestamp"
RECORD = "record it with nvidia-smi --query-gpu=timestamp,index,... --format=csv, header included"
_NAMELESS = (
    "if nvidia-smi wrote it without a header, say what was queried:"
    " --columns timestamp,index,utilization.gpu"
)
_MOMENT = ("date", "time")
_FIRST = ("gpu", *_MOMENT, ENTITY)  # of a header that begins with `#`: it may be a page's heading
_MOST_BEFORE = 1000  # lines before the first header
# `root@node01:~# nvidia-smi dmon`, `(base) me@gpu:/data$`, `$ nvidia-smi pmon`, `^C`
_SAMPLE = re.compile(r'\s*(?:"?\d|GPU)')
_FENCE = "```"
_PROMPT = re.compile(r"(?:\(\S+\) )?\S+@\S+[#$%>](?:\s|$)|[$>] |\^C")

IsHeader = Callable[[Sequence[str]], bool]


class Line(NamedTuple):
    """A line of the file: a sample, or without cells the header of the samples after it."""

    number: int
    names: list[str]
    cells: list[str]


def column_names(line: str) -> list[str]:
    """What would be the names of columns, in lower case and without units, if it is a header."""
    text = line.strip()
    if _is_marked(text):
        text = text.lstrip("# ")
        names = [name.strip().lower() for name in (text.split("," if "," in text else None))]
        return names if names and names[0] in _FIRST else []
    return [_name(cell.strip().strip('"')) for cell in text.split(",")]


def lines_of(path: Path, is_header: IsHeader, columns: Sequence[str] | None) -> Iterator[Line]:
    """Headers and samples, in their order.

    A date and a time in two columns come as one column, `timestamp`; a date alone is left out,
    because it says no time.

    Args:
        path: the file.
        is_header: whether names are those of a monitor's columns.
        columns: the names of the columns of a file without a header.

    Raises:
        BadFileError: the file has no header, or a row has more or fewer cells than its header.
    """
    form = None if columns is None else _Form.of([name.strip().lower() for name in columns], "")
    is_text = False
    begin, prefix = (1, "") if form else _first_header(path, is_header)
    with open_text(path, prefixed=True) as stream:
        lines = enumerate(without(stream, prefix) if prefix else stream, 1)
        for number, line in islice(lines, begin - 1, None):
            if not line.strip() or _PROMPT.match(line):
                continue
            if line.startswith(_FENCE):  # of a page: text, until the next table
                form, is_text = None, form is not None
                continue
            if is_text and not is_header(column_names(line)):
                continue
            is_text = False
            place = f"line {number}"
            if form is not None and line[-1].isdigit():
                raise BadFileError(
                    path,
                    "the last line has no end: its last number may be cut short",
                    f"if it is whole, end it: echo >> {path}",
                    place=place,
                )
            if _is_marked(line):  # names, then units
                names = column_names(line)
                if is_header(names):
                    form = _Form.of(names, line)
                    yield Line(number, form.names, [])
                continue
            if form is not None and not form.is_csv(line):
                if not form.is_units(line):
                    yield Line(number, form.names, form.cells(path, line.split(), place))
                continue
            cells = csv_cells(path, line, place)
            names = [_name(cell) for cell in cells]
            if form is None or is_header(names):
                if not is_header(names):
                    raise BadFileError(
                        path, "no header of nvidia-smi, dcgmi or detbench",
                        f"{_NAMELESS}; else {RECORD}", place=place,
                    )  # fmt: skip
                form = _Form.of(names, line)
                yield Line(number, form.names, [])
            elif form.is_others(cells):
                continue
            else:
                yield Line(number, form.names, form.cells(path, cells, place))


def _first_header(path: Path, is_header: IsHeader) -> tuple[int, str]:
    """The line of the first header, and what stands before the lines.

    Line 1 if there is no header, or if a line before it may be a sample, which has lost its own.
    """
    with open_text(path, prefixed=True) as stream:
        for number, line in enumerate(islice(stream, _MOST_BEFORE), 1):
            prefix = prefix_of(line)
            inner = line[len(prefix) :]
            is_commented = prefix and _is_marked(inner)  # its own mark is behind the prefix
            if not is_commented and is_header(column_names(line)):
                return number, ""
            if is_header(column_names(inner)):
                return number, prefix
            if _SAMPLE.match(line):
                break
    return 1, ""


def _is_marked(line: str) -> bool:
    return line.lstrip().startswith("#")


class _Form(NamedTuple):
    """How the samples after a header are written.

    Attributes:
        given: the columns as the header names them.
        names: the columns as they are returned.
        date: the position of a date's column; -1 if there is none.
        time: the position of the column of its time; -1 if there is none.
        comma: whether a header with `#` separates by commas; None for one without `#`.
    """

    given: list[str]
    names: list[str]
    date: int
    time: int
    comma: bool | None

    @classmethod
    def of(cls, given: list[str], header: str) -> _Form:
        date, time = (given.index(name) if name in given else -1 for name in _MOMENT)
        names = [
            STAMP if index == time and date >= 0 else name
            for index, name in enumerate(given)
            if index != date
        ]
        return cls(given, names, date, time, "," in header if _is_marked(header) else None)

    def is_csv(self, line: str) -> bool:
        if self.comma is None:
            return "," in line or len(self.given) == 1
        return self.comma

    def is_units(self, line: str) -> bool:
        """Whether it is the second line of a header of `dcgmi dmon`, which has no `#`."""
        return self.given[0] == ENTITY and line.split(maxsplit=1)[0].lower() == "id"

    def is_others(self, cells: Sequence[str]) -> bool:
        """Whether a line between samples is another program's: no time or index begins it."""
        begins = self.given[0] in (STAMP, *_MOMENT, "index")
        return begins and len(cells) != len(self.given) and cells[0].strip()[:1].isalpha()

    def cells(self, path: Path, cells: list[str], place: str) -> list[str]:
        """The cells of a row, one for each of `names`."""
        width = len(self.given)
        if self.given[0] == ENTITY and cells[0][:1].isalpha():  # `GPU 0`, `GPU-I 3`
            cells = [" ".join(cells[:2]), *cells[2:]]
        elif PROCESS[0] in self.given:  # the last column, a command, may be empty or hold spaces
            cells = [*cells[: width - 1], " ".join(cells[width - 1 :])]
        if len(cells) != width:
            what = "the row is cut short" if len(cells) < width else "cells without a column"
            raise BadFileError(path, what, RECORD, place=place)
        if self.date < 0:
            return cells
        if self.time >= 0:
            cells[self.time] = f"{cells[self.date]} {cells[self.time]}"
        return cells[: self.date] + cells[self.date + 1 :]


def _name(cell: str) -> str:
    """A column's name without its unit."""
    return cell.partition("[")[0].strip().lower()
