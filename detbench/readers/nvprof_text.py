"""nvprof's summary as text, the table that it prints by default.

    ==42== Profiling result:
                Type  Time(%)      Time     Calls       Avg       Min       Max  Name
     GPU activities:   60.00%  1.5000ms         3  500.00us  400.00us  600.00us  conv2d(float*)

Versions before CUDA 9 have no `Type` and put calls of the API under a line of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from detbench.errors import BadFileError
from detbench.readers.numbers import NANOSECONDS, whole
from detbench.readers.nvprof_trace_text import is_nvprof_calls
from detbench.readers.printed import is_copy
from detbench.readers.shares import Shares
from detbench.readers.text import open_text
from detbench.readers.timeline import SUMS, KernelSums

_NUMBER = r"\d{1,9}(?:\.\d{1,9})?"
_SUMMARY = re.compile(r"\s*(Type\s+)?Time\(%\)\s+Time\s+Calls\s+Avg\s+Min\s+Max\s+Name")
_METRICS = re.compile(r"Invocations\s+Metric Name\s+Metric Description|.*\"Metric Name\"")
_PROCESS = re.compile(r"==(\d+|====)== ")
_ROW = re.compile(
    rf"\s*(?:(?P<type>[A-Z][^:]*):)?\s*(?P<percent>{_NUMBER})%\s+(?P<time>{_NUMBER})(?P<unit>[mun]?s)"
    rf"\s+(?P<calls>\d{{1,15}})(?:\s+{_NUMBER}[mun]?s){{3}}\s+(?P<name>\S.*)"
)
_BEGUN = re.compile(r"\s*(?:[A-Z][^:]*:)?\s*[\d.]+%")  # the start of a row, even if truncated
_KERNELS = "GPU activities"
_AGAIN = "copy it again, or have it written again, better as CSV: nvprof --csv --log-file FILE"


class _Row(NamedTuple):
    type_: str
    name: str
    calls: int
    time: int


def is_nvprof_text(line: str) -> bool:
    """Whether nvprof prints this line around or above its tables."""
    return bool(_PROCESS.match(line) or _SUMMARY.match(line))


def read_nvprof_text(path: Path) -> KernelSums:
    """Read a summary.

    Raises:
        BadFileError: it is another table of nvprof, is truncated, or holds no kernel.
    """
    with open_text(path) as stream:
        rows = [row for row in _rows(path, stream) if row.type_ == _KERNELS]
    kernels = [row for row in rows if not is_copy(row.name)]
    if not kernels:
        raise BadFileError(path, _why_none(path), _AGAIN)
    return KernelSums(
        SUMS.table(
            {
                "name": [row.name for row in kernels],
                "count": [row.calls for row in kernels],
                "total (ns)": [row.time for row in kernels],
            }
        )
    )


def _rows(path: Path, lines: Iterator[str]) -> Iterator[_Row]:
    type_ = ""  # of the following rows; empty outside a table
    announced = _KERNELS  # by the line above a table
    shares = Shares(path, _AGAIN)
    for number, line in enumerate(lines, 1):
        header = _SUMMARY.match(line)
        if header or (type_ and (not line.strip() or _PROCESS.match(line))):
            shares.end()
            type_ = announced if header else ""
        if _PROCESS.match(line):
            announced = "API calls" if "API calls:" in line else _KERNELS
        row = _ROW.match(line)
        if not type_ or row is None:
            if type_ and _BEGUN.match(line):
                raise BadFileError(path, "the row is cut short", _AGAIN, place=f"line {number}")
            continue
        type_ = row["type"] or type_
        try:
            time = whole(float(row["time"]) * NANOSECONDS[row["unit"]])
        except ValueError as error:
            raise BadFileError(path, str(error), _AGAIN, place=f"line {number}") from error
        if type_ == _KERNELS:
            shares.add(float(row["percent"]), row["percent"], time, f"line {number}")
        yield _Row(type_, row["name"].strip(), int(row["calls"]), time)
    shares.end()


def _why_none(path: Path) -> str:
    with open_text(path) as stream:
        for line in stream:
            if "were profiled." in line:
                return f"no kernel in it; it says: {line.strip()}"
            if is_nvprof_calls(line):
                return "nvprof's trace of calls on the CPU: nvprof --print-gpu-trace has kernels"
            if _METRICS.match(line):
                return "metrics of nvprof, which core_util.py reads"
    return "no summary of nvprof in it"
