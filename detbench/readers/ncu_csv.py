"""Nsight Compute CSV: long, one row a kernel and metric, or wide, one row a kernel.

The long form is what `ncu --csv --metrics ...` writes, the wide one comes from `--page raw` and has
a row of units under its header. The columns vary by version; those named here have stood in all
since 2020. Other lines around and between the rows (`==PROF==`, the program's own output) are
passed over, a second header, as when several processes wrote one log, begins another table.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.schema import Column, Schema
from detbench.readers.text import NoNumberError, csv_cells, open_text, parse_numbers

SCHEMA = Schema(
    (
        Column("process", "int64", "process id"),
        Column("launch", "int64", "the kernel launch's ID within its process, from the log"),
        Column("kernel", "str", "kernel name"),
        Column("device", "str", "device number; empty in versions that do not write it"),
    )
)
"""One row a kernel launch; after these columns one float64 column a metric, in base units."""

_LAUNCH = ("ID", "Process ID", "Kernel Name")
_METRIC = ("Metric Name", "Metric Unit", "Metric Value")
_ROW = re.compile(r'"\d+",')
_SCALE = {
    "": 1.0, "-": 1.0, "%": 1.0, "inst": 1.0, "inst/cycle": 1.0,
    "cycle": 1.0, "Kcycle": 1e3, "Mcycle": 1e6, "Gcycle": 1e9,
    "byte": 1.0, "Kbyte": 1e3, "Mbyte": 1e6, "Gbyte": 1e9,
    "nsecond": 1.0, "ns": 1.0, "usecond": 1e3, "us": 1e3, "msecond": 1e6, "ms": 1e6,
    "second": 1e9, "s": 1e9,
}  # fmt: skip
_LINE_ENDS = ("\n", "\r")
_MOST = 2**53  # more than any process or launch has
_AGAIN = "profile again with `ncu --csv --log-file FILE`"


@dataclass
class _Launches:
    """The launches of a file in the order of their first row."""

    index: dict[tuple[int, int, int], int] = field(default_factory=dict)
    kernel: list[str] = field(default_factory=list)
    device: list[str] = field(default_factory=list)


@dataclass
class _Values:
    """The cells of one metric, as they stand in the file."""

    launch: list[int] = field(default_factory=list)
    cell: list[str] = field(default_factory=list)
    scale: list[float] = field(default_factory=list)


def read_ncu_csv(path: Path, metrics: Collection[str]) -> pd.DataFrame:
    """Read the launches in `path` and those of `metrics` that were collected.

    A metric that the file does not name is no column; one that ncu could not measure is NaN.

    Raises:
        BadFileError: it is no such file, holds no kernel, is cut short, or a number in it cannot
            be read for certain.
    """
    launches, values = _Launches(), {name: _Values() for name in metrics}
    with open_text(path) as stream:
        for row in _rows(path, stream, metrics):
            launch = launches.index.setdefault(row.key, len(launches.kernel))
            if launch == len(launches.kernel):
                if max(row.key) > _MOST:
                    place = f"launch {row.key[2]}"
                    raise BadFileError(path, "an ID is too large", _AGAIN, place=place)
                launches.kernel.append(row.kernel)
                launches.device.append(row.device)
            found = values.get(row.metric)
            if found is not None:
                found.launch.append(launch)
                found.cell.append(row.value)
                found.scale.append(_scale(path, row.unit))
    if not launches.kernel:
        raise BadFileError(path, _why_no_kernel(path), _AGAIN)
    return SCHEMA.table(
        {
            "process": [key[1] for key in launches.index],
            "launch": [key[2] for key in launches.index],
            "kernel": launches.kernel,
            "device": launches.device,
            **_columns(path, values, launches),
        }
    )


class _Row(NamedTuple):
    key: tuple[int, int, int]  # number of the table in the file, process id, launch ID
    kernel: str
    device: str
    metric: str
    unit: str
    value: str


class _Header:
    """Where a table's columns are, and what a line of it says.

    A wide row says the value of every wanted metric, a long one that of one metric.
    """

    def __init__(self, names: list[str], metrics: Collection[str]) -> None:
        self.is_wide = not set(_METRIC) <= set(names)
        self.units: list[str] = []  # of a wide table; they stand in the row after the header
        self._launch = [names.index(name) for name in _LAUNCH]
        self._device = names.index("Device") if "Device" in names else -1
        self._metric = [] if self.is_wide else [names.index(name) for name in _METRIC]
        self._wide = [(m, names.index(m)) for m in metrics if m in names] if self.is_wide else []
        used = [*self._launch, self._device, *self._metric, *(i for _, i in self._wide)]
        self.shortest = max(used) + 1

    def is_like(self, line: str) -> bool:
        """Whether a line is a wide row but for its beginning."""
        return self.is_wide and line.count('","') >= self.shortest - 2

    def rows(self, table: int, cells: list[str]) -> Iterator[_Row]:
        """What the cells of one line say."""
        id_, process, kernel = (cells[i] for i in self._launch)
        device = cells[self._device] if self._device >= 0 else ""
        launch = (table, int(process), int(id_)), kernel, device
        if self.is_wide:
            yield _Row(*launch, "", "", "")  # a launch, even if nothing wanted was collected
            for metric, index in self._wide:
                yield _Row(*launch, metric, self.units[index], cells[index])
        else:
            yield _Row(*launch, *(cells[i] for i in self._metric))


def _rows(path: Path, lines: Iterator[str], metrics: Collection[str]) -> Iterator[_Row]:
    table, header = 0, None
    for number, line in enumerate(lines, 1):
        place = f"line {number}"
        if line.startswith('"ID"'):
            names = csv_cells(path, line, place)
            missing = [name for name in _LAUNCH if name not in names]
            if missing:
                raise BadFileError(
                    path,
                    f"no column {', '.join(missing)}: not Nsight Compute's",
                    _AGAIN,
                    place=place,
                )
            table, header = table + 1, _Header(names, metrics)
        elif header is not None and (line.startswith('"') or header.is_like(line)):
            is_row = _ROW.match(line) is not None
            expects_units = header.is_wide and not header.units
            if is_row == expects_units:
                if header.is_wide:  # nothing would tell that one is missing
                    raise BadFileError(path, "the row is damaged", _AGAIN, place=place)
                if not line.endswith(_LINE_ENDS):
                    raise BadFileError(path, "the row is cut short", _AGAIN, place=place)
                continue
            cells = csv_cells(path, line, place)
            if (
                len(cells) < header.shortest
                or line.count('"') % 2
                or not (cells[header.shortest - 1] or line.endswith(_LINE_ENDS))
            ):
                raise BadFileError(path, "the row is cut short", _AGAIN, place=place)
            if expects_units:
                header.units = cells
                continue
            try:
                yield from header.rows(table, cells)
            except ValueError as error:
                raise BadFileError(path, f"no ID in it: {error}", _AGAIN, place=place) from error


def _scale(path: Path, unit: str) -> float:
    if unit not in _SCALE:
        raise BadFileError(path, f"unknown unit '{unit}'", "collect with --print-units base")
    return _SCALE[unit]


def _columns(path: Path, values: dict[str, _Values], launches: _Launches) -> dict[str, np.ndarray]:
    present = {name: found for name, found in values.items() if found.cell}
    keys = list(launches.index)
    try:
        numbers = iter(parse_numbers([c for found in present.values() for c in found.cell]))
    except NoNumberError as error:
        launch = [i for found in present.values() for i in found.launch][error.index]
        raise BadFileError(
            path, str(error), "collect under LC_ALL=C", place=f"launch {keys[launch][2]}"
        ) from error
    columns = {}
    for name, found in present.items():
        lacking = set(range(len(keys))) - set(found.launch)
        if lacking:
            first = keys[min(lacking)]
            raise BadFileError(
                path, f"launch {first[2]} lacks {name}, which others have: cut short?", _AGAIN
            )
        column = np.full(len(keys), np.nan)
        own = np.fromiter(numbers, float, len(found.cell)) * found.scale
        column[found.launch] = own
        differs = (column[found.launch] != own) & ~np.isnan(column[found.launch] + own)
        differs |= np.isnan(column[found.launch]) != np.isnan(own)
        wrong = differs | (own < 0)
        if wrong.any():
            at = int(wrong.argmax())
            what = f"{name} is negative" if own[at] < 0 else f"two values of {name}"
            place = f"launch {keys[found.launch[at]][2]}"
            raise BadFileError(path, what, _AGAIN, place=place)
        columns[name] = column
    return columns


def _why_no_kernel(path: Path) -> str:
    """The last word of Nsight Compute in a log without a table."""
    with open_text(path) as stream:
        said = [line.strip() for line in stream if line.startswith("==")]
    return f"no kernel in it; it says: {said[-1]}" if said else "no Nsight Compute table in it"
