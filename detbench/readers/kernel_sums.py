"""Summaries of kernels: `nsys stats` reports as CSV or text, and nvprof's summary as CSV.

`nsys stats --report cuda_gpu_kern_sum` (to 2022 `gpukernsum`) and `cuda_gpu_sum` (`gpusum`) have
the unit in their column names, and so has `cuda_kern_exec_sum` (`kernexecsum`), which is of
launches; nvprof has it in a row under the header, or (from its text) in every cell. The shares of
the time reveal missing rows.
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
_WITH_UNIT = re.compile(r"([\d.]+)([mun]?s)")
_IN_CELLS = "in cells"  # where the unit is
_OF_LAUNCHES = 2  # the order of cuda_kern_exec_sum
_MEAN = re.compile(r"KAvg(?: ?\((\w+)\))?")
_BY_LAUNCH = (
    "Kernels whose launch was not recorded are in no row, and times are means times counts."
)
_AGAIN = (
    "copy it again, or have it written again:"
    " nsys stats --report cuda_gpu_kern_sum --format csv, or nvprof --csv"
)


def is_summary(names: list[str]) -> bool:
    """Whether a table's columns are those of such a summary."""
    return _Columns.of(names) is not None


class _Columns(NamedTuple):
    """Positions of the needed columns, -1 without one; `unit` is empty if the next row has it.

    Attributes:
        is_mean: whether `total` is the mean of the calls instead.
        order: the smaller, the rather this report is taken of several about the same kernels.
    """

    name: int
    calls: int
    total: int
    percent: int
    kind: int
    unit: str
    is_mean: bool = False
    order: int = 0

    @classmethod
    def of(cls, names: list[str]) -> _Columns | None:
        at = {name: index for index, name in enumerate(names)}
        if {"Count", "Kernel Name"} <= set(at):
            for column, index in at.items():
                if found := _MEAN.fullmatch(column):
                    return cls(
                        at["Kernel Name"],
                        at["Count"],
                        index,
                        -1,
                        -1,
                        found[1] or "ns",
                        True,
                        _OF_LAUNCHES,
                    )
        percent = at.get("Time (%)", at.get("Time(%)"))
        name = at.get("Name", at.get("Operation") if "Category" in at else None)
        if percent is None or name is None or "Source" in at:  # of MPI's calls, not of kernels
            return None
        kind = next((at[column] for column in _KINDS if column in at), -1)
        order = 3 if "Category" in at else 1 if "GridXYZ" in at else 0
        if "Instances" in at:
            for column, index in at.items():
                if found := _TOTAL.fullmatch(column):
                    unit = found[1] or "ns"
                    return cls(name, at["Instances"], index, percent, kind, unit, False, order)
        if {"Time", "Calls"} <= set(at):
            return cls(name, at["Calls"], at["Time"], percent, kind, "")
        return None


_Kernel = tuple[str, int, int]


def read_kernel_sums(path: Path) -> KernelSums:
    """Read a summary.

    If a file holds several reports of the same kernels, one of kernels alone is preferred to one by
    grids, to one of launches, and these to one that mixes kernels with copies and calls.

    Raises:
        BadFileError: it is not a summary, holds no kernel, or a row in it is damaged.
    """
    reports: list[tuple[_Columns, list[_Kernel]]] = []
    with open_text(path) as stream:
        for columns, kernel in _rows(path, stream):
            if kernel is None:
                reports.append((columns, []))
            else:
                reports[-1][1].append(kernel)
        stream.seek(0)
        why = printed.why_none(stream)
    reports = [(columns, kernels) for columns, kernels in reports if kernels]
    if not reports:
        raise BadFileError(path, f"no kernel in it{why and f'; it says: {why}'}", _AGAIN)
    best = min(columns.order for columns, _ in reports)
    chosen: dict[tuple[int, int], list[_Kernel]] = {}
    for columns, kernels in reports:
        if columns.order == best:
            # Of reports with the same totals, the others only call the kernels by other names.
            totals = sum(count for _, count, _ in kernels), sum(time for *_, time in kernels)
            chosen.setdefault(totals, kernels)
    names, counts, totals_ = zip(*(k for kernels in chosen.values() for k in kernels), strict=True)
    notes: tuple[str, ...] = (_BY_LAUNCH,) if best == _OF_LAUNCHES else ()
    if len(chosen) > 1:  # of several programs, or of one in parts
        notes += (f"{len(chosen)} tables of kernels in the file, added",)
    return KernelSums(SUMS.table({"name": names, "count": counts, "total (ns)": totals_}), notes)


def _rows(path: Path, lines: Iterator[str]) -> Iterator[tuple[_Columns, _Kernel | None]]:
    """The columns of each report, with None at its begin, then with name, launches and ns."""
    columns, unit = _Columns(0, 0, 0, 0, 0, ""), ""
    shares = Shares(path, _AGAIN)
    for number, names, cells in printed.rows(path, lines, is_summary, _AGAIN):
        place = f"line {number}"
        is_header, is_units = not cells, bool(cells) and not unit
        if is_header:
            shares.end()
            columns = _Columns.of(names) or columns
            yield columns, None
        if is_header or is_units:
            unit = cells[columns.total] if is_units else columns.unit
            if is_units and _WITH_UNIT.fullmatch(unit):
                unit = _IN_CELLS
            elif unit not in NANOSECONDS and (unit or is_units):
                raise BadFileError(path, f"unknown unit of time: '{unit}'", _AGAIN, place=place)
            if unit != _IN_CELLS or is_header:
                continue
        name, kind = cells[columns.name], "" if columns.kind < 0 else cells[columns.kind]
        try:
            own = unit
            if unit == _IN_CELLS:
                cells, own = _without_units(columns, cells)
            percent, count, time = _numbers(columns, cells, NANOSECONDS[own])
            if not name:
                raise ValueError("the row is cut short")
        except ValueError as error:
            raise BadFileError(path, str(error), _AGAIN, place=place) from error
        is_kernel = columns.kind < 0 or kind in _KINDS.values()
        # nvprof's API calls have a total of their own
        if columns.percent >= 0 and (is_kernel or "Category" in names):
            shares.add(percent, cells[columns.percent], time, place)
        if is_kernel and not printed.is_copy(name):
            yield columns, (name, count, time)
    shares.end()


def _without_units(columns: _Columns, cells: list[str]) -> tuple[list[str], str]:
    """A row whose cells have units, without them, and the unit of its time.

    Raises:
        ValueError: a cell has none.
    """
    found, share = _WITH_UNIT.fullmatch(cells[columns.total]), cells[columns.percent]
    if found is None or not share.endswith("%"):
        raise ValueError(f"'{cells[columns.total]}' or '{share}' has no unit, as others have")
    plain = [*cells]
    plain[columns.total], plain[columns.percent] = found[1], share[:-1]
    return plain, found[2]


def _numbers(columns: _Columns, cells: list[str], scale: float) -> tuple[float, int, int]:
    """Share, calls and total time in ns.

    Raises:
        ValueError: a cell is no such number.
    """
    # The share, or the mean, always has a decimal point, which settles the notation of the others.
    told = [cells[i] for i in (columns.calls, columns.total, columns.percent) if i >= 0]
    calls, total, *percent = parse_numbers(told)
    count = whole(calls)
    if count != calls:
        raise ValueError(f"'{calls:g}' is not a count")
    return (
        percent[0] if percent else 0.0,
        count,
        whole(total * scale * (count if columns.is_mean else 1)),
    )
