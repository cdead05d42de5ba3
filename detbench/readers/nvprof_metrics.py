"""Utilization levels among nvprof's metrics: `nvprof --metrics ...`, as CSV or as text.

nvprof grades the use of a function unit or memory from 0 (idle) to 10 (max), as in `Low (2)`. A
level is not a percentage and cannot be converted to one. Other metrics in the file are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.printed import device_number
from detbench.readers.schema import Column, Schema
from detbench.readers.text import csv_cells, open_text

LEVELS = Schema(
    (
        Column("device", "str", "device number"),
        Column("kernel", "str", "kernel name"),
        Column("unit", "str", "the unit or memory in use, named after nvprof's metric"),
        Column("invocations", "int64", "launches that the levels cover"),
        Column("min", "int64", "level 0 to 10"),
        Column("max", "int64", "level 0 to 10"),
        Column("average", "int64", "level 0 to 10, as nvprof rounded it"),
    )
)
"""One row per device, kernel and metric."""

_HEADER = ["Device", "Kernel", "Invocations", "Metric Name", "Metric Description"]
_VALUES = ["Min", "Max", "Avg"]
_LEVEL = r"[A-Z][a-z]+ \((10|\d)\)"
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
_TEXT = re.compile(r"Invocations\s+Metric Name\s+Metric Description\s+Min\s+Max\s+Avg")
_TEXT_DEVICE = re.compile(r'Device "(.*)"')
_TEXT_KERNEL = re.compile(r"\s+Kernel: (.*)")
_TEXT_ROW = re.compile(rf"\s+(\d{{1,15}})\s+(\w+)\s.*?\s{_LEVEL}\s+{_LEVEL}\s+{_LEVEL}")
_AGAIN = "record it: nvprof --csv --log-file FILE --metrics single_precision_fu_utilization,..."


def is_nvprof(line: str) -> bool:
    """Whether nvprof itself wrote this line."""
    return bool(
        "NVPROF is profiling" in line
        or "No events/metrics were profiled." in line
        or _TEXT.match(line)
        or line.startswith('"Device","Kernel","Invocations"')
    )


def read_nvprof_metrics(path: Path) -> pd.DataFrame:
    """Read the levels, rows as `LEVELS` says.

    Raises:
        BadFileError: it has no level, a row is damaged, or a kernel lacks a level that others have.
    """
    with open_text(path) as stream:
        kernels: set[tuple[str, str]] = set()
        rows = list(_rows(path, stream, kernels))
        if not rows:
            raise BadFileError(path, _why_none(path), _AGAIN)
    names = [column.name for column in LEVELS.columns]
    table = LEVELS.table(dict(zip(names, zip(*rows, strict=True), strict=True)))
    for unit, found in table.groupby("unit"):
        num = len(found[["device", "kernel"]].drop_duplicates())
        if num != len(kernels):
            raise BadFileError(
                path, f"{num} of {len(kernels)} kernels have {unit}: cut short?", _AGAIN
            )
        if num != len(found):
            raise BadFileError(path, f"a kernel has {unit} twice", _AGAIN)
    return table


_Levels = tuple[str, str, str, int, int, int, int]


def _rows(path: Path, lines: Iterator[str], kernels: set[tuple[str, str]]) -> Iterator[_Levels]:
    """The rows of levels; adds the device and kernel of every row to `kernels`."""
    names: list[str] = []
    device = kernel = ""
    for number, line in enumerate(lines, 1):
        if line.startswith('"Device"'):
            names = csv_cells(path, line, f"line {number}")
            names = names if set(_HEADER + _VALUES) <= set(names) else []
        elif names and line.startswith('"'):
            cells = csv_cells(path, line, f"line {number}")
            if len(cells) != len(names) or line.count('"') % 2:
                raise BadFileError(path, "the row is cut short", _AGAIN, place=f"line {number}")
            row = dict(zip(names, cells, strict=True))
            kernels.add((device_number(row["Device"]), row["Kernel"]))
            yield from _of_cells(path, row, number)
        elif found := _TEXT_DEVICE.match(line):
            device, names = device_number(found[1]), []
        elif found := _TEXT_KERNEL.match(line):
            kernel = found[1].strip()
            kernels.add((device, kernel))
        elif device and (found := _TEXT_ROW.match(line)):
            if not kernel:
                raise BadFileError(path, "no kernel named above it", _AGAIN, place=f"line {number}")
            count, metric, low, high, average = found.groups()
            yield device, kernel, _unit(metric), int(count), int(low), int(high), int(average)
        elif device and not line.endswith("\n"):
            raise BadFileError(path, "the row is cut short", _AGAIN, place=f"line {number}")


def _of_cells(path: Path, row: dict[str, str], number: int) -> Iterator[_Levels]:
    found = [re.fullmatch(_LEVEL, row[name]) for name in _VALUES]
    low, high, average = (int(f[1]) if f else -1 for f in found)
    if not any(found):
        return  # a metric of another kind
    if not all(found) or not _COUNT.fullmatch(row["Invocations"]):
        raise BadFileError(path, "the row is damaged", _AGAIN, place=f"line {number}")
    count = int(row["Invocations"])
    unit = _unit(row["Metric Name"])
    yield device_number(row["Device"]), row["Kernel"], unit, count, low, high, average


def _unit(metric: str) -> str:
    return metric.removesuffix("_utilization")


def _why_none(path: Path) -> str:
    with open_text(path) as stream:
        for line in stream:
            if "were profiled." in line:
                return f"no metric in it; it says: {line.strip()}"
    return "none of nvprof's utilization levels in it"
