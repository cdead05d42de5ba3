"""What all launches in a table of Nsight Compute have in common, as one regular expression.

ncu writes every launch alike: the same rows in the same order, each beginning with the same cells.
So the rows of one launch give an expression that takes apart all others, a block of text at a time,
many times faster than row by row. The lines that it does not match are left over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np

from detbench.readers.launches import Launches

_CELL = '[^"]*'
_NUMBER = "[0-9]{1,18}"
_LEFT = r"|([^\n]+\n?|\n)"  # the last group: any line

Found = list[tuple[str, ...]]
"""Launches as `re.findall` returns them."""


class Split(NamedTuple):
    """Lines taken apart.

    Attributes:
        parts: runs of launches, and the lines left over between them, in order.
        rest: the last lines, which may begin another launch.
    """

    parts: list[Found | str]
    rest: str


class Row(NamedTuple):
    """A row of a launch: its cells, each of which is quoted, and what comes after them."""

    cells: list[str]
    end: str


class Value(NamedTuple):
    """A wanted cell: the row of the launch that it is in, and its place there.

    Its unit is in the same row at `unit_place`, or the same in all launches: `unit`.
    """

    row: int
    place: int
    metric: str
    unit: str = ""
    unit_place: int | None = None


class Pattern:
    """The pattern of a launch.

    Args:
        rows: the rows of a launch.
        launch: places of the cells that describe the launch, by their names in `Launches.number`.
        values: the cells that are wanted.
        fixed: row and place of the cells that are the same in all launches.

    Raises:
        ValueError: the rows differ in what describes the launch.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        launch: Mapping[str, int],
        values: Sequence[Value],
        fixed: Collection[tuple[int, int]],
    ) -> None:
        self._num_rows = len(rows)
        self._num_returns = sum(row.end.count("\r") for row in rows)
        self._values = values
        groups = {(0, place): f"(?P<{name}>{_CELL})" for name, place in launch.items()}
        for name in ("process", "launch"):
            groups[0, launch[name]] = f"(?P<{name}>{_NUMBER})"
        wanted = {
            (row, place): f"(?P<value{i}>{_CELL})" for i, (row, place, *_) in enumerate(values)
        }
        for index, value in enumerate(values):
            if value.unit_place is not None:
                wanted[value.row, value.unit_place] = f"(?P<unit{index}>{_CELL})"
        shared = 0  # cells at the beginning of every row
        if len(rows) > 1:
            ends = {place for _, place in (*wanted, *fixed)}
            columns = zip(*(row.cells for row in rows), strict=False)
            alike = takewhile(lambda cells: len(set(cells)) == 1, columns)
            shared = min(len(list(alike)), *ends)
            if shared <= max(launch.values()):
                raise ValueError("the rows of a launch differ in what describes it")
        lines = []
        for row, (cells, end) in enumerate(rows):
            parts = [
                {**groups, **wanted}.get((row, place))
                or (re.escape(cell) if (row, place) in fixed else _CELL)
                for place, cell in enumerate(cells)
            ]
            begin = '"' + "".join(f'{part}","' for part in parts[:shared])
            if shared:
                begin = f"(?P<begin>{begin})" if row == 0 else "(?P=begin)"
            lines.append(begin + '","'.join(parts[shared:]) + '"' + end)
        self._expression = re.compile("".join(lines) + _LEFT)
        self._group = {name: group - 1 for name, group in self._expression.groupindex.items()}

    def split(self, text: str) -> Split | None:
        """Take whole lines apart.

        None if no launch is of this pattern, or the text has to be read line by line.
        """
        found = self._expression.findall(text)
        left = [(index, each[-1]) for index, each in enumerate(found) if each[-1]]
        num_launches = len(found) - len(left)
        # Only the end of a row may end a line, in the way of any system.
        line_ends = self._num_rows * num_launches + sum(line.endswith("\n") for _, line in left)
        returns = self._num_returns * num_launches + sum(line.endswith("\r\n") for _, line in left)
        is_regular = (
            _count_lines(text) == line_ends
            and ("\r" not in text if returns == 0 else text.count("\r") == returns)
            and not any("\r" in line[:-2] for _, line in left)
        )
        if not num_launches or not is_regular:
            return None
        rest = ""
        while left and left[-1][0] == len(found) - 1 and rest.count("\n") < self._num_rows - 1:
            rest = left.pop()[1] + rest
            found.pop()
        return Split(list(_runs(found, left)), rest)

    def add(
        self, found: Found, table: int, launches: Launches, scale: Callable[[str], float]
    ) -> None:
        """Add launches from `split` to `launches`; `scale` gives the factor of a unit.

        Raises:
            ValueError, OverflowError: an ID is not a number.
            BadLaunchError: a value is not a number.
        """
        columns = list(zip(*found, strict=True))
        nothing = ("",) * len(found)

        def column(name: str) -> tuple[str, ...]:
            return columns[self._group[name]] if name in self._group else nothing

        numbers = launches.extend(
            table,
            *(column(name) for name in ("process", "launch", "kernel", "device", "capability")),
        )
        for index, value in enumerate(self._values):
            units = nothing if value.unit_place is None else column(f"unit{index}")
            scales = {unit: scale(unit or value.unit) for unit in set(units)}
            launches.extend_metric(numbers, value.metric, column(f"value{index}"), units, scales)


def _count_lines(text: str) -> int:
    """`text.count` of a single character takes several times as long."""
    return int(np.count_nonzero(np.frombuffer(text.encode(), np.uint8) == ord("\n")))


def _runs(found: Found, left: Sequence[tuple[int, str]]) -> Iterator[Found | str]:
    first = 0
    for index, line in left:
        if first < index:
            yield found[first:index]
        yield line
        first = index + 1
    if first < len(found):
        yield found[first:]
