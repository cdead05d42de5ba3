"""Samples of GPU monitors: `nvidia-smi --query-gpu=... --format=csv` and `nvidia-smi dmon`.

Units may stand in the header, in the cells or nowhere; the header may come again before every
sample; several GPUs are interleaved. What the driver cannot tell (`[N/A]`) becomes NaN.
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
        Column("gpu", "str", "index, UUID or name, whichever the file has first of these"),
        Column("time (s)", "float64", "since the first sample; NaN where samples have no time"),
        Column("throttled", "float64", "1 while any reason to throttle is active, else 0; or NaN"),
    )
)
"""One row a sample; after these columns one float64 column for each of `QUANTITIES` it has."""

QUANTITIES: dict[str, tuple[str, ...]] = {
    "utilization (%)": ("utilization.gpu", "utilpct", "sm"),
    "memory used (MiB)": ("memory.used", "fb"),
    "power (W)": ("power.draw", "power.draw.instant", "power.draw.average", "powerw", "pwr"),
    "SM clock (MHz)": ("clocks.sm", "clocks.current.sm", "clocks.gr", "smmhz", "pclk"),
    "memory clock (MHz)": ("clocks.mem", "clocks.current.memory", "memmhz", "mclk"),
    "temperature (C)": ("temperature.gpu", "tempc", "gtemp", "temp"),
}
"""Quantity -> the column names that hold it, in lower case and without units."""

_GPU = ("index", "gpu", "uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id", "name", "gpu_name")
_TIME = ("timestamp", "t", "time")
_KNOWN = {*_GPU, *_TIME, *(name for names in QUANTITIES.values() for name in names)}
_THROTTLE = re.compile(
    r"clocks_(throttle|event)_reasons\.(?!supported|active|gpu_idle|applications)"
    r"|swpowercap|hwslowdown|hwthermal|swthermal|hwpowerbrake"
)
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?) *(?:%|MiB|W|MHz|C)?")
_NOT_TOLD = re.compile(r"\[?(n/a|not supported|unknown error|gpu is lost|-)\]?", re.IGNORECASE)
_STAMPS = ("%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S")


def read_monitoring(path: Path) -> pd.DataFrame:
    """Read the samples of a monitor.

    Raises:
        BadFileError: it is no such file, has no sample, or a cell cannot be read for certain.
    """
    columns: defaultdict[str, list[Any]] = defaultdict(list)
    roles: dict[int, str] = {}
    origin: float | None = None
    for number, names, cells in _samples(path):
        if names is not None:
            roles = _roles(names)
            if not set(roles.values()) & set(QUANTITIES):
                raise BadFileError(
                    path,
                    "no column of utilization, memory, power, clock or temperature",
                    "record it with nvidia-smi --query-gpu=... --format=csv",
                    place=f"line {number}",
                )
            continue
        if len(cells) <= max(roles):
            raise BadFileError(path, "the row is cut short", place=f"line {number}")
        flags: list[float] = []
        values: dict[str, Any] = {"gpu": "(not named)", "time (s)": float("nan")}
        for index, role in roles.items():
            cell = cells[index].strip()
            try:
                if role == "gpu":
                    values["gpu"] = cell
                elif role == "time (s)":
                    seconds = _seconds(cell)
                    origin = seconds if origin is None else origin
                    values["time (s)"] = seconds - origin
                elif role == "throttled":
                    flags.append(_flag(cell))
                else:
                    values[role] = _number(cell)
            except ValueError as error:
                raise BadFileError(path, str(error), place=f"line {number}") from error
        values["throttled"] = max(flags, default=float("nan"))
        for name in ("gpu", "time (s)", "throttled", *QUANTITIES):
            columns[name].append(values.get(name, float("nan")))
    if not columns:
        raise BadFileError(path, "no sample in it", "record it with nvidia-smi, header included")
    present = [q for q in QUANTITIES if q in roles.values()]
    return SCHEMA.table({n: columns[n] for n in ("gpu", "time (s)", "throttled", *present)})


def _samples(path: Path) -> Iterator[tuple[int, list[str] | None, list[str]]]:
    """(line, column names, []) for a header and (line, None, cells) for a sample."""
    header: list[str] | None = None
    with open_text(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            if line.startswith("#"):  # dmon: names, then units, both behind a #
                names = [n.lower() for n in line.lstrip("# ").split()]
                if set(names) & {"gpu", "pwr", "sm"}:
                    header = names
                    yield number, names, []
                continue
            if header is not None and "," not in line:
                yield number, None, line.split()
                continue
            cells = csv_cells(path, line, f"line {number}")
            names = [re.sub(r" *\[.*\]$", "", cell.strip()).lower() for cell in cells]
            if header is None or names == header:
                if len(set(names) & _KNOWN) < 2:
                    raise BadFileError(
                        path, "no header of nvidia-smi", "record it without noheader",
                        place=f"line {number}",
                    )  # fmt: skip
                header = names
                yield number, names, []
            else:
                yield number, None, cells


def _roles(names: list[str]) -> dict[int, str]:
    """What each known column is; of several that could name the GPU the first kind counts."""
    roles: dict[int, str] = {}
    for role, aliases in {"gpu": _GPU, "time (s)": _TIME, **QUANTITIES}.items():
        found = next((alias for alias in aliases if alias in names), None)
        if found is not None:
            roles[names.index(found)] = role
    return roles | {i: "throttled" for i, name in enumerate(names) if _THROTTLE.match(name)}


def _number(cell: str) -> float:
    if _NOT_TOLD.fullmatch(cell):
        return float("nan")
    found = _NUMBER.fullmatch(cell)
    if found is None:
        raise ValueError(f"'{cell}' is no number with a known unit")
    return float(found[1])


def _flag(cell: str) -> float:
    if _NOT_TOLD.fullmatch(cell):
        return float("nan")
    if cell not in ("Active", "Not Active"):
        raise ValueError(f"'{cell}' is neither Active nor Not Active")
    return float(cell == "Active")


def _seconds(cell: str) -> float:
    for stamp in _STAMPS:
        try:
            return datetime.strptime(cell, stamp).timestamp()
        except ValueError:
            continue
    return _number(cell)
