"""Summaries of kernels as CSV: `nsys stats` reports, and nvprof's summary mode.

`nsys stats --report cuda_gpu_kern_sum` (to 2022 `gpukernsum`) has the unit in its column names;
nvprof has it in a row under the header. Both may stand among other lines and other reports.
A row's share of the time tells whether all other rows are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from detbench.errors import BadFileError
from detbench.readers.text import csv_cells, nanoseconds_in, open_text, parse_numbers, whole
from detbench.readers.timeline import SUMS, KernelSums

_SHARES = ("Time (%)", "Time(%)")
_TYPE = "GPU activities"  # nvprof's word for kernels and copies, beside `API calls`
_AGAIN = "write it again: nsys stats --report cuda_gpu_kern_sum --format csv"


def is_header(line: str) -> bool:
    """Whether a line is the header of such a summary."""
    return _Columns.of(line) is not None


class _Columns(NamedTuple):
    """Where a header has what is needed; `unit` is empty where the next row tells it."""

    name: int
    calls: int
    total: int
    share: int
    type_: int
    unit: str
    num: int

    @classmethod
    def of(cls, line: str) -> _Columns | None:
        names = [cell.strip().strip('"') for cell in line.rstrip().split(",")]
        if {"Total Time (ns)", "Instances", "Name"} <= set(names):
            share = next((i for i, name in enumerate(names) if name in _SHARES), -1)
            found = (names.index("Name"), names.index("Instances"), names.index("Total Time (ns)"))
            return cls(*found, share, -1, "ns", len(names))
        if {"Time(%)", "Time", "Calls", "Name"} <= set(names):
            found = (names.index("Name"), names.index("Calls"), names.index("Time"))
            share = names.index("Time(%)")
            type_ = names.index("Type") if "Type" in names else -1
            return cls(*found, share, type_, "", len(names))
        return None


def read_kernel_sums(path: Path) -> KernelSums:
    """Read a summary.

    Raises:
        BadFileError: it is none, holds no kernel, or a row in it is damaged.
    """
    names, counts, totals = [], [], []
    with open_text(path) as stream:
        for name, count, total in _rows(path, stream):
            names.append(name)
            counts.append(count)
            totals.append(total)
    if not names:
        raise BadFileError(path, "no kernel in it", _AGAIN)
    return KernelSums(SUMS.table({"name": names, "count": counts, "total (ns)": totals}))


def _rows(path: Path, lines: Iterator[str]) -> Iterator[tuple[str, int, int]]:
    columns: _Columns | None = None
    unit = ""
    shares = _Shares(path)
    for number, line in enumerate(lines, 1):
        place = f"line {number}"
        header = _Columns.of(line)
        if header is not None:
            shares.check()
            columns, unit = header, header.unit
            continue
        if columns is None:
            continue
        if not line.strip() or line.startswith(("==", "** ", "Processing")):
            shares.check()
            columns = None  # the report ends; another one may follow
            continue
        cells = csv_cells(path, line, place)
        lacks_name = bool(unit) and len(cells) == columns.num and not cells[columns.name]
        if len(cells) != columns.num or line.count('"') % 2 or lacks_name:
            raise BadFileError(path, "the row is cut short", _AGAIN, place=place)
        if not unit:
            unit = cells[columns.total]
            if nanoseconds_in(unit) is None:
                raise BadFileError(path, f"no known unit of time: '{unit}'", _AGAIN, place=place)
            continue
        if columns.type_ >= 0 and cells[columns.type_] != _TYPE:
            continue
        try:
            share = cells[columns.share] if columns.share >= 0 else ""
            calls, time, percent = parse_numbers(
                [cells[columns.calls], cells[columns.total], share]
            )
            count, total = whole(calls), whole(time * (nanoseconds_in(unit) or 1))
            if count != calls:
                raise ValueError(f"'{cells[columns.calls]}' is no count")
        except ValueError as error:
            raise BadFileError(path, str(error), _AGAIN, place=place) from error
        shares.add(percent, share, total, place)
        if not cells[columns.name].startswith("[CUDA mem"):
            yield cells[columns.name], count, total
    shares.check()


class _Shares:
    """The shares of one report's rows, and whether they are of the times that are there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[tuple[float, float, int, str]] = []

    def add(self, percent: float, text: str, time: int, place: str) -> None:
        # As printed it is rounded: by less than one in its last digit.
        digit = 10.0 ** -len(text.partition(".")[2])
        self._rows.append((percent, digit, time, place))

    def check(self) -> None:
        total = sum(time for _, _, time, _ in self._rows)
        for percent, digit, time, place in self._rows:
            if abs(percent - 100 * time / max(1, total)) > digit:
                raise BadFileError(
                    self._path,
                    f"{percent:g} % is not its share of the rows here: rows are missing or damaged",
                    _AGAIN,
                    place=place,
                )
        self._rows = []
