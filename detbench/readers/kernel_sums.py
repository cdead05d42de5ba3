"""Summaries of kernels as CSV: `nsys stats` reports, and nvprof's summary mode.

`nsys stats --report cuda_gpu_kern_sum` (to 2022 `gpukernsum`) has the unit in its column names;
nvprof has it in a row under the header. Both may stand among other lines and other reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from detbench.errors import BadFileError
from detbench.readers.text import csv_cells, open_text, parse_numbers
from detbench.readers.timeline import SUMS, KernelSums

_NANOSECONDS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
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
    type_: int
    unit: str
    num: int

    @classmethod
    def of(cls, line: str) -> _Columns | None:
        names = [cell.strip().strip('"') for cell in line.rstrip().split(",")]
        if {"Total Time (ns)", "Instances", "Name"} <= set(names):
            found = (names.index("Name"), names.index("Instances"), names.index("Total Time (ns)"))
            return cls(*found, -1, "ns", len(names))
        if {"Time(%)", "Time", "Calls", "Name"} <= set(names):
            found = (names.index("Name"), names.index("Calls"), names.index("Time"))
            type_ = names.index("Type") if "Type" in names else -1
            return cls(*found, type_, "", len(names))
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
    for number, line in enumerate(lines, 1):
        place = f"line {number}"
        header = _Columns.of(line)
        if header is not None:
            columns, unit = header, header.unit
            continue
        if columns is None:
            continue
        if not line.strip() or line.startswith(("==", "** ", "Processing")):
            columns = None  # the report ends; another one may follow
            continue
        cells = csv_cells(path, line, place)
        if len(cells) != columns.num or line.count('"') % 2:
            raise BadFileError(path, "the row is cut short", _AGAIN, place=place)
        if not unit:
            unit = cells[columns.total]
            if unit not in _NANOSECONDS:
                raise BadFileError(path, f"no known unit of time: '{unit}'", place=place)
            continue
        name = cells[columns.name]
        if name.startswith("[CUDA mem") or (columns.type_ >= 0 and cells[columns.type_] != _TYPE):
            continue
        try:
            count, total = parse_numbers([cells[columns.calls], cells[columns.total]])
            yield name, int(count), round(total * _NANOSECONDS[unit])
        except (ValueError, OverflowError) as error:
            raise BadFileError(path, str(error), _AGAIN, place=place) from error
