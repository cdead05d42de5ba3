"""Samples of monitors: our `monitoring.csv`, and what nvidia-smi prints.

nvidia-smi means `nvidia-smi --query-gpu=... --format=csv` and `nvidia-smi dmon`. Units may be in
the header, in the cells or nowhere; the header may be repeated before every sample; several GPUs
are interleaved. A value that the driver cannot report (`[N/A]`, in our file with its reason) is
NaN, and so is an empty cell of our file: its row does not have that quantity.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.schema import Column, Schema
from detbench.readers.text import csv_cells, open_text

SCHEMA = Schema(
    (
        Column("gpu", "str", "index, UUID or name, whichever comes first of these; or host"),
        Column("time (s)", "float64", "since the earliest sample; NaN if samples have no time"),
        Column("throttled", "float64", "1 while any throttle reason is active, else 0; or NaN"),
        Column("not told", "str", "a line `quantity: why` for each value that the driver lacks"),
    )
)
"""One row per sample; then one float64 column for each of `QUANTITIES` in the file."""

QUANTITIES: dict[str, tuple[str, ...]] = {
    "utilization (%)": ("utilization.gpu", "utilpct", "sm"),
    "memory used (MiB)": ("memory.used", "fb"),
    "power (W)": ("power.draw", "power.draw.instant", "power.draw.average", "powerw", "pwr"),
    "SM clock (MHz)": ("clocks.sm", "clocks.current.sm", "clocks.gr", "smmhz", "pclk"),
    "memory clock (MHz)": ("clocks.mem", "clocks.current.memory", "memmhz", "mclk"),
    "temperature (C)": ("temperature.gpu", "tempc", "gtemp", "temp"),
    "ECC errors, corrected": ("ecc.errors.corrected.volatile.total",),
    "ECC errors, uncorrected": ("ecc.errors.uncorrected.volatile.total",),
    "energy counter (J)": ("energy.total",),
    "engine active (%)": ("gpm.graphics_util",),
    "SM active (%)": ("gpm.sm_util",),
    "SM occupancy (%)": ("gpm.sm_occupancy",),
    "tensor pipe active (%)": ("gpm.any_tensor_util",),
    "FP64 pipe active (%)": ("gpm.fp64_util",),
    "FP32 pipe active (%)": ("gpm.fp32_util",),
    "FP16 pipe active (%)": ("gpm.fp16_util",),
    "DRAM bandwidth used (%)": ("gpm.dram_bw_util",),
    "PCIe sent (MiB/s)": ("gpm.pcie_tx",),
    "PCIe received (MiB/s)": ("gpm.pcie_rx",),
    "NVLink sent (MiB/s)": ("gpm.nvlink_tx",),
    "NVLink received (MiB/s)": ("gpm.nvlink_rx",),
    "processes": ("processes",),
    "GPUs watched": ("gpus",),
    "CPU (%)": ("cpu.util",),
    "load, 1 min": ("load.1m",),
    "host memory used (MiB)": ("memory.host.used",),
    "disk read (MiB/s)": ("disk.read",),
    "disk write (MiB/s)": ("disk.write",),
    "disk free (MiB)": ("disk.free",),
    "run's CPU (cores)": ("run.cpu",),
    "run's memory (MiB)": ("run.memory",),
    "run's processes": ("run.processes",),
}
"""Quantity -> the names of its columns, in lower case and without units."""

_COLUMNS = tuple(column.name for column in SCHEMA.columns)
OURS = "gpus"
"""A column that only our own file has."""
_GPU = ("index", "gpu", "uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id", "name", "gpu_name")
_TIME = ("timestamp", "t", "time")
_KNOWN = {*_GPU, *_TIME, *(name for names in QUANTITIES.values() for name in names)}
_THROTTLE = re.compile(
    r"clocks_(throttle|event)_reasons\.(?!supported|active|gpu_idle|applications)"
    r"|swpowercap|hwslowdown|hwthermal|swthermal|hwpowerbrake"
)
_NUMBER = re.compile(r"(-?\d{1,12}(?:\.\d{1,12})?) *(%|MiB|W|MHz|C)?", re.ASCII)
_NOT_TOLD = re.compile(
    r"\[n/a: (?P<why>[^\]]{1,200})\]|\[?(?P<word>n/a|not supported|unknown error|gpu is lost|-)\]?",
    re.IGNORECASE,
)
_RECORD = "record it with nvidia-smi --query-gpu=... --format=csv, header included"
_STAMPS = ("%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S")


def read_monitoring(path: Path) -> pd.DataFrame:
    """Read the samples of a monitor.

    Raises:
        BadFileError: it is not such a file, has no sample, or a cell cannot be read with certainty.
    """
    columns: defaultdict[str, list[Any]] = defaultdict(list)
    names: list[str] = []
    roles: dict[int, str] = {}
    units: dict[str, str] = {}
    for number, header, cells in _samples(path):
        if header is not None:
            names, roles = header, _roles(header)
            if not set(roles.values()) & set(QUANTITIES):
                raise BadFileError(
                    path,
                    "no column of utilization, memory, power, clock or temperature",
                    _RECORD,
                    place=f"line {number}",
                )
            continue
        if len(cells) != len(names):
            what = "the row is cut short" if len(cells) < len(names) else "cells without a column"
            raise BadFileError(path, what, _RECORD, place=f"line {number}")
        told: dict[str, list[str]] = {role: [] for role in roles.values()}
        for index, role in roles.items():
            # Our file leaves a missing quantity empty; in other files an empty cell is damage.
            if cells[index].strip() or OURS not in names:
                told[role].append(cells[index].strip())
        try:
            values = _values(told, units)
        except ValueError as error:
            raise BadFileError(path, str(error), _RECORD, place=f"line {number}") from error
        for name in (*_COLUMNS, *QUANTITIES):
            columns[name].append(values.get(name, float("nan")))
    if not columns:
        raise BadFileError(path, "no sample in it", _RECORD)
    present = [q for q in QUANTITIES if q in roles.values()]
    table = SCHEMA.table({name: columns[name] for name in (*_COLUMNS, *present)})
    table["time (s)"] -= table["time (s)"].min()
    return table.sort_values("time (s)", kind="stable", ignore_index=True)


def is_header(line: str) -> bool:
    """Whether a line names the columns of a monitor's samples."""
    if line.startswith("#"):
        return len(set(line.lstrip("# ").lower().split()) & _KNOWN) > 1
    return len({_name(cell.strip().strip('"')) for cell in line.split(",")} & _KNOWN) > 1


def _values(told: dict[str, list[str]], units: dict[str, str]) -> dict[str, Any]:
    """A sample from the cells of each role.

    Raises:
        ValueError: a cell cannot be read with certainty.
    """
    values: dict[str, Any] = {"gpu": "(not named)"}
    reasons = {}
    for role, cells in told.items():
        for cell in cells:
            if role == "gpu":
                values[role] = cell
            elif role == "time (s)":
                values[role] = _seconds(cell)
            elif found := _NOT_TOLD.fullmatch(cell):
                reasons[role] = found["why"] or found["word"]
            elif role == "throttled":
                values[role] = max(values.get(role, 0.0), _flag(cell))
            else:
                values[role] = _quantity(cell, role, units)
    values["not told"] = "\n".join(f"{role}: {why}" for role, why in reasons.items())
    return values


def _samples(path: Path) -> Iterator[tuple[int, list[str] | None, list[str]]]:
    """(line, column names, []) for a header and (line, None, cells) for a sample."""
    header: list[str] | None = None
    with open_text(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            if header is not None and line[-1].isdigit():
                raise BadFileError(
                    path,
                    "the last line has no end: its last number may be cut short",
                    f"if it is whole, end it: echo >> {path}",
                    place=f"line {number}",
                )
            if line.startswith("#"):  # dmon: names, then units, both after a #
                names = [n.lower() for n in line.lstrip("# ").split()]
                if set(names) & {"gpu", "pwr", "sm"}:
                    header = names
                    yield number, names, []
                continue
            if header is not None and "," not in line:
                yield number, None, line.split()
                continue
            cells = csv_cells(path, line, f"line {number}")
            if header is not None and _name(cells[0]) != header[0]:
                yield number, None, cells
                continue
            names = [_name(cell) for cell in cells]
            if header is None or names == header:
                if len(set(names) & _KNOWN) < 2:
                    raise BadFileError(
                        path, "no header of nvidia-smi", _RECORD,
                        place=f"line {number}",
                    )  # fmt: skip
                header = names
                yield number, names, []
            else:
                yield number, None, cells


def _name(cell: str) -> str:
    """A column's name without its unit."""
    return cell.partition("[")[0].strip().lower()


def _roles(names: list[str]) -> dict[int, str]:
    """The role of each known column; if several could name the GPU, the first in `_GPU` counts."""
    roles: dict[int, str] = {}
    for role, aliases in {"gpu": _GPU, "time (s)": _TIME, **QUANTITIES}.items():
        found = next((alias for alias in aliases if alias in names), None)
        if found is not None:
            roles[names.index(found)] = role
    return roles | {i: "throttled" for i, name in enumerate(names) if _THROTTLE.match(name)}


def _quantity(cell: str, role: str, units: dict[str, str]) -> float:
    """A quantity, in the unit of its other samples: a bare `8` may be a truncated `85 %`."""
    number, unit = _number(cell)
    if units.setdefault(role, unit) != unit:
        raise ValueError(f"'{cell}' lacks the unit of the samples before: '{units[role]}'")
    if (number < 0 and role != "temperature (C)") or (number > 100 and "%" in role):
        raise ValueError(f"'{cell}' is out of range")
    return number


def _number(cell: str) -> tuple[float, str]:
    """A number and its unit."""
    found = _NUMBER.fullmatch(cell)
    if found is None:
        raise ValueError(f"'{cell[:40]}' is not a number with a known unit")
    return float(found[1]), found[2] or ""


def _flag(cell: str) -> float:
    if cell not in ("Active", "Not Active"):
        raise ValueError(f"'{cell}' is neither Active nor Not Active")
    return float(cell == "Active")


def _seconds(cell: str) -> float:
    """Seconds since an arbitrary moment; NaN if the cell says that there is no time."""
    if _NUMBER.fullmatch(cell):  # ours; trying the date formats first takes ten times as long
        return _number(cell)[0]
    for stamp in _STAMPS:
        try:
            return datetime.strptime(cell, stamp).timestamp()
        except (ValueError, OverflowError):
            continue
    return float("nan") if _NOT_TOLD.fullmatch(cell) else _number(cell)[0]
