"""DLProf's reports as CSV: the iteration report, a timeline, and three that are summaries.

A line with the report's title precedes the header. Both reports say which kernels use Tensor Cores.
A quoted cell may hold newlines (stack traces).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.dlprof_sums import (
    SUMMARY,
    TENSOR_COLUMNS,
    TENSOR_CORES,
    of_summary,
    of_tensor_report,
)
from detbench.readers.numbers import LONGEST, integer, parse_numbers, whole
from detbench.readers.printed import Once
from detbench.readers.text import open_text
from detbench.readers.timeline import ACTIVITIES, RANGES, SUMS, TENSOR, KernelSums, Timeline

_KERNEL, _ITERATION = "Kernel Report", "Iteration Report"
_OTHERS = (
    "Op Type Summary Report", "Group Op Report", "All Iterations", "Expert Systems Feedback",
)  # fmt: skip
_COPY = re.compile(r"\[?(CUDA )?mem(cpy|set)", re.IGNORECASE)
_TAKE = (
    "ask for what dlprof writes beside it: dlprof_dldb.sqlite, or the reports dlprof_iteration.csv,"
    " dlprof_kernel.csv, dlprof_tensor_core.csv or dlprof_summary.csv"
)
_AGAIN = "copy it again, or have it written again: dlprof --reports=kernel,iteration"
_TEXTS = {"Kernel Name", "Uses TC", "Op ID", "Op Type"}
_ANY = {"Iteration", "Device ID", "GPU Start Time (ns)"}  # may be of any size
_MEAN = "Avg"  # how the name of the column of mean times begins


def is_dlprof(line: str) -> bool:
    """Whether a file's first line is the title of a report."""
    return _title(line) in (_KERNEL, _ITERATION, TENSOR_CORES, *SUMMARY, *_OTHERS)


def read_dlprof(path: Path) -> Timeline | KernelSums:
    """Read a report.

    Raises:
        BadFileError: the report has no kernel times, is damaged, or holds no kernel.
    """
    with open_text(path) as stream:
        title = _title(stream.readline())
        if title == _KERNEL:
            return _kernel_report(path, stream)
        if title == _ITERATION:
            return _iteration_report(path, stream)
        if title in SUMMARY:
            return of_summary(path, chain([title], stream), _AGAIN)
        if title == TENSOR_CORES:
            table = _table(path, stream, [*TENSOR_COLUMNS], last="Non-TC Kernel Count")
            return of_tensor_report(path, table, _AGAIN)
    raise BadFileError(path, f"DLProf's {title}, which does not have each kernel's time", _TAKE)


def _title(line: str) -> str:
    return line.strip().rstrip(",").strip('"').strip()


def _kernel_report(path: Path, lines: Iterator[str]) -> KernelSums:
    total = "Total GPU Time (ns)"
    table = _table(path, lines, ["Kernel Name", "Uses TC", total, _MEAN])
    table = table[~table["Kernel Name"].str.match(_COPY)]
    if table.empty:
        raise BadFileError(path, "no kernel in it", _AGAIN)
    # The report has no launch counts: total / mean gives them, as exactly as the mean is rounded.
    count = (table[total] / table[_MEAN].where(table[_MEAN] > 0)).round().fillna(1)
    if (count >= LONGEST).any():
        row = int((count >= LONGEST).argmax()) + 1
        raise BadFileError(path, f"its total and its mean in row {row} do not fit", _AGAIN)
    return KernelSums(
        SUMS.table(
            {
                "name": table["Kernel Name"].to_numpy(),
                "count": count.to_numpy("int64"),
                "total (ns)": table[total].to_numpy(),
                TENSOR: table["Uses TC"].to_numpy(),
            }
        )
    )


def _iteration_report(path: Path, lines: Iterator[str]) -> Timeline:
    start, length = "GPU Start Time (ns)", "GPU Duration (ns)"
    table = _table(path, lines, ["Iteration", "Kernel Name", "Device ID", start, length, "Uses TC"])
    is_copy = table["Kernel Name"].str.match(_COPY)
    if is_copy.all():
        raise BadFileError(path, "no kernel in it", _AGAIN)
    activities = ACTIVITIES.table(
        {
            "name": table["Kernel Name"].to_numpy(),
            "kind": is_copy.map({True: "copy", False: "kernel"}).to_numpy(),
            "device": table["Device ID"].astype("str").to_numpy(),
            "stream": [-1] * len(table),  # the report does not name streams
            "start (ns)": table[start].to_numpy(),
            "duration (ns)": table[length].to_numpy(),
            TENSOR: table["Uses TC"].to_numpy(),
        }
    )
    # An iteration lasts from the start of its first activity to the end of its last one.
    ends = (table[start] + table[length]).groupby(table["Iteration"]).max()
    starts = table.groupby("Iteration")[start].min()
    ranges = RANGES.table(
        {
            "name": [f"iteration {number}" for number in starts.index],
            "start (ns)": starts.to_numpy(),
            "duration (ns)": (ends - starts).to_numpy(),
            "process": [-1] * len(starts),
            "thread": [-1] * len(starts),
        }
    )
    return Timeline(activities, ranges)


def _table(
    path: Path, lines: Iterator[str], names: list[str], last: str | None = None
) -> pd.DataFrame:
    """The columns `names` of a report: whole numbers, except the texts and the mean.

    The last cell of a row may be empty only where the cell of the column `last` is 0.
    """
    reader = csv.reader(lines, strict=True)  # strict: an unclosed quote is an error
    try:
        header = [name.strip() for name in next(reader, [])]
        means = [name for name in header if name.startswith(_MEAN)]
        header = [_MEAN if name in means[:1] else name for name in header]  # the API's come later
        missing = [name for name in names if name not in header]
        if missing:
            raise BadFileError(path, f"DLProf's report has no column {', '.join(missing)}", _AGAIN)
        at = [header.index(name) for name in names]
        rows, once = [], Once(path, _AGAIN)
        for cells in reader:
            if cells and (
                len(cells) != len(header)
                or not (cells[-1] or (last and cells[header.index(last)] == "0"))
            ):
                place = f"line {reader.line_num + 1}"
                raise BadFileError(path, "the row is cut short", _AGAIN, place=place)
            if cells:
                once.add(reader.line_num + 1, cells)
                rows.append([cells[index].strip() for index in at])
    except csv.Error as error:
        place = f"line {reader.line_num + 1}"
        raise BadFileError(path, f"not CSV: {error}", _AGAIN, place=place) from error
    table = pd.DataFrame(rows, columns=pd.Index(names), dtype="str")
    table["Uses TC"] = table["Uses TC"].str.lower()
    if not table["Uses TC"].isin(["yes", "no"]).all():
        raise BadFileError(path, "a cell of Uses TC is neither yes nor no", _AGAIN)
    for name in names:
        if name not in _TEXTS:
            kind = "float64" if name == _MEAN else "int64"
            table[name] = pd.Series(_numbers(path, name, table[name]), dtype=kind)
    return table


def _numbers(path: Path, name: str, cells: pd.Series) -> list[float]:
    """The numbers in a column: times and counts are not negative, and only the mean has parts."""
    found: list[float] = []
    try:
        for cell in cells:
            if name == _MEAN:
                (mean,) = parse_numbers([cell])
                whole(mean)
                found.append(mean)
            else:
                number = integer(cell)
                found.append(number if name in _ANY else whole(number))
    except ValueError as error:
        row = len(found) + 1
        raise BadFileError(path, f"{name} in row {row}: {error}", _AGAIN) from error
    return found
