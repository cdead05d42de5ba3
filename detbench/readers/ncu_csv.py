"""Nsight Compute CSV: long, one row per kernel and metric, or wide, one row per kernel.

`ncu --csv --metrics ...` writes the long form, and so does `ncu --csv` alone, with labels in place
of metrics (the details page). The wide one comes from `--page raw` and has a row of units under its
header. The columns vary by version; those named here are in all versions since 2020. Other lines
around and between the rows (`==PROF==`, the output of the program) are skipped. A second header
begins another table, for instance when several processes wrote one log.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.launches import BadLaunchError, Launches
from detbench.readers.ncu_messages import cause
from detbench.readers.ncu_names import metric_of
from detbench.readers.schema import Column, Schema
from detbench.readers.text import csv_cells, open_text

SCHEMA = Schema(
    (
        Column("process", "int64", "process id; -1 if the file has none"),
        Column("launch", "int64", "the kernel launch's ID within its process"),
        Column("kernel", "category", "kernel name"),
        Column("device", "category", "device number; empty if the version does not write it"),
        Column("capability", "category", "compute capability, `9.0`; empty if it is not written"),
    )
)
"""One row per kernel launch; then one float64 column per metric, in base units."""

_LAUNCH = ("ID", "Process ID", "Kernel Name")
_METRIC = ("Metric Name", "Metric Unit", "Metric Value")
_ROW = re.compile(r'"\d+",')
_SCALE = {
    "": 1.0, "-": 1.0, "%": 1.0, "inst": 1.0, "inst/cycle": 1.0, "op": 1.0,
    "cycle": 1.0, "Kcycle": 1e3, "Mcycle": 1e6, "Gcycle": 1e9,
    "byte": 1.0, "Kbyte": 1e3, "Mbyte": 1e6, "Gbyte": 1e9,
    "nsecond": 1.0, "ns": 1.0, "usecond": 1e3, "us": 1e3, "msecond": 1e6, "ms": 1e6,
    "second": 1e9, "s": 1e9,
}  # fmt: skip
_LINE_ENDS = ("\n", "\r")
_AGAIN = "copy it again, or profile again with `ncu --csv --log-file FILE`"


def read_ncu_csv(path: Path, metrics: Collection[str]) -> pd.DataFrame:
    """Read the launches in `path` and those of `metrics` that were collected.

    A metric that the file does not name has no column; one that ncu could not measure is NaN.

    Raises:
        BadFileError: it is not such a file, holds no kernel, is truncated, or a number in it
            cannot be read with certainty.
    """
    launches = Launches(metrics)
    try:
        with open_text(path) as stream:
            for launch, metric, unit, cell in _values(path, stream, launches, metrics):
                launches.add(launch, metric, cell, unit_scale(path, unit))
        if not launches.launch:
            raise BadFileError(path, _why_no_kernel(path), _AGAIN)
        return SCHEMA.table(
            {
                "process": np.array(launches.process, np.int64),
                "launch": np.array(launches.launch, np.int64),
                **launches.names(),
                **launches.metrics(),
            }
        )
    except BadLaunchError as error:
        raise BadFileError(path, str(error), _AGAIN, place=f"launch {error.launch}") from error


class _Header:
    """Positions of the columns of a table.

    A wide row has the values of all wanted metrics, a long row that of one metric.
    """

    def __init__(self, names: list[str], metrics: Collection[str]) -> None:
        self.is_wide = not set(_METRIC) <= set(names)
        self.units: list[str] = []  # of a wide table, from the row after the header
        self._launch = [names.index(name) for name in _LAUNCH]
        self._device = names.index("Device") if "Device" in names else None
        self._capability = names.index("CC") if "CC" in names else None
        self.metric = [] if self.is_wide else [names.index(name) for name in _METRIC]
        self.wide = [(m, names.index(m)) for m in metrics if m in names] if self.is_wide else []
        optional = (self._device or 0, self._capability or 0)
        used = [*self._launch, *optional, *self.metric, *(i for _, i in self.wide)]
        self.shortest = max(used) + 1

    def is_like(self, line: str) -> bool:
        """Whether a line looks like a wide row whose beginning is damaged."""
        return self.is_wide and line.count('","') >= self.shortest - 2

    def launch(self, cells: list[str]) -> tuple[str, str, str, str, str]:
        """Process id, launch ID, kernel, device and compute capability of a row."""
        id_, process, kernel = self._launch
        device = "" if self._device is None else cells[self._device]
        capability = "" if self._capability is None else cells[self._capability]
        return cells[process], cells[id_], cells[kernel], device, capability


def _values(
    path: Path, lines: Iterator[str], launches: Launches, metrics: Collection[str]
) -> Iterator[tuple[int, str, str, str]]:
    """For each value: number of the launch, metric, unit, cell. Adds new launches to `launches`."""
    table, header = 0, None
    known: dict[str, str] = {}  # what is written -> the metric; empty if it is not wanted
    for number, line in enumerate(lines, 1):
        if not line.startswith('"') and not (header and header.is_like(line)):
            continue
        place = f"line {number}"
        if line.startswith('"ID"'):
            names = csv_cells(path, line, place)
            missing = [name for name in _LAUNCH if name not in names]
            if missing:
                raise BadFileError(
                    path,
                    f"no column {', '.join(missing)}: not a table of Nsight Compute",
                    _AGAIN,
                    place=place,
                )
            table, header = table + 1, _Header(names, metrics)
        elif header is not None:
            expects_units = header.is_wide and not header.units
            if expects_units is (_ROW.match(line) is not None):
                if header.is_wide:  # a missing row would go unnoticed
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
                launch = launches.number(table, *header.launch(cells))
            except (ValueError, OverflowError) as error:
                raise BadFileError(path, f"no ID in it: {error}", _AGAIN, place=place) from error
            if header.metric:
                name, unit, value = header.metric
                metric = known.get(cells[name])
                if metric is None:
                    said = cells[name]
                    metric = said if said in metrics else metric_of(said)
                    metric = known[said] = metric if metric in metrics else ""
                    if metric != cells[name]:  # a label of the details page, which shows a choice
                        launches.may_lack.add(metric)
                if metric:
                    yield launch, metric, cells[unit], cells[value]
            for metric, index in header.wide:
                yield launch, metric, header.units[index], cells[index]


def unit_scale(path: Path, unit: str) -> float:
    """The factor from a unit to its base unit (byte, cycle, ns).

    Raises:
        BadFileError: the unit is unknown.
    """
    if unit not in _SCALE:
        raise BadFileError(path, f"unknown unit '{unit}'", "collect with --print-units base")
    return _SCALE[unit]


def _why_no_kernel(path: Path) -> str:
    """What Nsight Compute said in a log without a table."""
    with open_text(path) as stream:
        said = cause(stream)
    return f"no kernel in it; it says: {said}" if said else "no table of Nsight Compute in it"
