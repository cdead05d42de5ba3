"""Summaries of kernels: `nsys stats` reports as CSV or text, and nvprof's summary as CSV.

`nsys stats --report cuda_gpu_kern_sum` (to 2022 `gpukernsum`) and `cuda_gpu_sum` (`gpusum`) have
the unit in their column names; nvprof has it in a row under the header. The shares of the time
reveal missing rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from detbench.errors import BadFileError
from detbench.readers import printed
from detbench.readers.numbers import NANOSECONDS, parse_numbers, whole
from detbench.readers.shares import Shares
from detbench.readers.text import open_text
from detbench.readers.timeline import SUMS, KernelSums

# Before 2021 the unit was in the title of the text form, and was always ns.
_TOTAL = re.compile(r"Total Time(?: ?\((\w+)\))?")
# The column that separates kernels from the rest -> its word for kernels.
_KINDS = {"Category": "CUDA_KERNEL", "Type": "GPU activities"}
_AGAIN = (
    "copy it again, or have it written again:"
    " nsys stats --report cuda_gpu_kern_sum --format csv, or nvprof --csv"
)


def is_summary(names: list[str]) -> bool:
    """Whether a table's columns are those of such a summary."""
    return _Columns.of(names) is not None


class _Columns(NamedTuple):
    """Positions of the needed columns; `unit` is empty if the next row has the units."""

    name: int
    calls: int
    total: int
    percent: int
    kind: int
    unit: str

    @classmethod
    def of(cls, names: list[str]) -> _Columns | None:
        at = {name: index for index, name in enumerate(names)}
        percent = at.get("Time (%)", at.get("Time(%)"))
        name = at.get("Name", at.get("Operation") if "Category" in at else None)
        if percent is None or name is None:
            return None
        kind = next((at[column] for column in _KINDS if column in at), -1)
        if "Instances" in at:
            for column, index in at.items():
                if found := _TOTAL.fullmatch(column):
                    return cls(name, at["Instances"], index, percent, kind, found[1] or "ns")
        if {"Time", "Calls"} <= set(at):
            return cls(name, at["Calls"], at["Time"], percent, kind, "")
        return None


def read_kernel_sums(path: Path) -> KernelSums:
    """Read a summary.

    If a file holds several reports of the same kernels, one of kernels alone is preferred to one
    that mixes them with copies and calls.

    Raises:
        BadFileError: it is not a summary, holds no kernel, or a row in it is damaged.
    """
    apart: list[tuple[str, int, int]] = []
    among: list[tuple[str, int, int]] = []
    with open_text(path) as stream:
        for is_mixed, row in _rows(path, stream):
            (among if is_mixed else apart).append(row)
        stream.seek(0)
        why = printed.why_none(stream)
    if not apart and not among:
        raise BadFileError(path, f"no kernel in it{why and f'; it says: {why}'}", _AGAIN)
    names, counts, totals = zip(*(apart or among), strict=True)
    return KernelSums(SUMS.table({"name": names, "count": counts, "total (ns)": totals}))


def _rows(path: Path, lines: Iterator[str]) -> Iterator[tuple[bool, tuple[str, int, int]]]:
    """For each kernel: whether its report is mixed; and its name, launches and total in ns."""
    columns, unit = _Columns(0, 0, 0, 0, 0, ""), ""
    shares = Shares(path, _AGAIN)
    for number, names, cells in printed.rows(path, lines, is_summary, _AGAIN):
        place = f"line {number}"
        is_header, is_units = not cells, bool(cells) and not unit
        if is_header:
            shares.end()
            columns = _Columns.of(names) or columns
        if is_header or is_units:
            unit = cells[columns.total] if is_units else columns.unit
            if unit not in NANOSECONDS and (unit or is_units):
                raise BadFileError(path, f"unknown unit of time: '{unit}'", _AGAIN, place=place)
            continue
        name, kind = cells[columns.name], "" if columns.kind < 0 else cells[columns.kind]
        try:
            # The share always has a decimal point, which settles the notation of the others.
            read = (cells[i] for i in (columns.percent, columns.calls, columns.total))
            percent, calls, total = parse_numbers(list(read))
            count, time = whole(calls), whole(total * NANOSECONDS[unit])
            if count != calls or not name:
                raise ValueError(f"'{calls:g}' is not a count" if name else "the row is cut short")
        except ValueError as error:
            raise BadFileError(path, str(error), _AGAIN, place=place) from error
        is_kernel = columns.kind < 0 or kind in _KINDS.values()
        if is_kernel or "Category" in names:  # nvprof's API calls have a total of their own
            shares.add(percent, cells[columns.percent], time, place)
        if is_kernel and not printed.is_copy(name):
            yield "Category" in names, (name, count, time)
    shares.end()
