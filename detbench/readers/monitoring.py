"""Samples of monitors: our `monitoring.csv`, and what nvidia-smi and dcgmi print.

That is `nvidia-smi --query-gpu=... --format=csv`, `nvidia-smi dmon`, `nvidia-smi pmon` and
`dcgmi dmon`. Units may be in the header, in the cells or nowhere; several GPUs are interleaved. A
value that the driver cannot report (`[N/A]`, in our file with its reason) is NaN, and so is an
empty cell of our file: its row does not have that quantity.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.line_prefix import prefix_of
from detbench.readers.monitor_cells import Times, not_told, number
from detbench.readers.monitor_gpus import apart
from detbench.readers.monitor_lines import ENTITY, PROCESS, RECORD, STAMP, column_names, lines_of
from detbench.readers.monitor_processes import summed
from detbench.readers.schema import Column, Schema

SCHEMA = Schema(
    (
        Column(
            "gpu", "str", "index, UUID or name, whichever comes first of these; an entity; or host"
        ),
        Column("time (s)", "float64", "since the earliest sample; NaN if samples have no time"),
        Column("throttled", "float64", "1 while any throttle reason is active, else 0; or NaN"),
        Column("not told", "str", "a line `quantity: why` for each value that the driver lacks"),
        Column("note", "str", "what makes the GPU's samples doubtful; empty if nothing does"),
    )
)
"""One row per sample; then one float64 column for each of `QUANTITIES` in the file."""

# fmt: off
QUANTITIES: dict[str, tuple[str, ...]] = {
    "utilization (%)": ("utilization.gpu", "utilpct", "sm", "gputl"),
    "memory used (MiB)": ("memory.used", "fb", "fbusd"),
    "power (W)": (
        "power.draw", "power.draw.instant", "power.draw.average", "powerw", "pwr", "power",
    ),
    "SM clock (MHz)": ("clocks.sm", "clocks.current.sm", "clocks.gr", "smmhz", "pclk", "smclk"),
    "memory clock (MHz)": ("clocks.mem", "clocks.current.memory", "memmhz", "mclk", "mmclk"),
    "temperature (C)": ("temperature.gpu", "tempc", "gtemp", "temp", "tmptr"),
    "graphics engine active (%)": ("gract",),
    "tensor active (%)": ("tenso",),
    "DRAM active (%)": ("drama",),
    "FP64 active (%)": ("fp64a",),
    "FP32 active (%)": ("fp32a",),
    "FP16 active (%)": ("fp16a",),
    "ECC errors, corrected": ("ecc.errors.corrected.volatile.total",),
    "ECC errors, uncorrected": ("ecc.errors.uncorrected.volatile.total",),
    "energy counter (J)": ("energy.total", "totec"),
    "engine active (%)": ("gpm.graphics_util",),
    "SM active (%)": ("gpm.sm_util", "smact"),
    "SM occupancy (%)": ("gpm.sm_occupancy", "smocc"),
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
# fmt: on
"""Quantity -> the names of its columns, in lower case and without units."""

_COLUMNS = tuple(column.name for column in SCHEMA.columns)
OURS = "gpus"
"""A column that only our own file has."""
_GPU = (
    "index", "gpu", ENTITY, "uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id", "name", "gpu_name",
)  # fmt: skip
_NUMBERED = set(_GPU) - {"name", "gpu_name"}
_TIME = (STAMP, "t", "time")
_COMMON = {"t", "time", "name", "gpu"}  # columns of other tables, too
_QUANTITIES = {name for names in QUANTITIES.values() for name in names}
_KNOWN = {*_GPU, *_TIME, *_QUANTITIES}
# DCGM's ratios of 0 to 1: its profiling metrics, fields 1001 to 1008 of dcgm_fields.h.
_RATIOS = ("gract", "smact", "smocc", "tenso", "drama", "fp64a", "fp32a", "fp16a")
_FACTORS = {**dict.fromkeys(_RATIOS, 100), "totec": 1e-3}  # the latter in mJ
_THROTTLE = re.compile(
    r"clocks_(throttle|event)_reasons\.(?!supported|active|gpu_idle|applications)"
    r"|swpowercap|hwslowdown|hwthermal|swthermal|hwpowerbrake"
)
_TOOLS = {ENTITY: "dcgmi dmon", PROCESS[0]: "nvidia-smi pmon", OURS: "detbench"}
_NAMELESS = "(not named)"
_MISSING = float("nan")


def read_monitoring(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read the samples of a monitor.

    Args:
        path: the file.
        columns: the names of the columns of a file without a header, as nvidia-smi's queries
            name them.

    Raises:
        BadFileError: it is not such a file, has no sample, or a cell cannot be read with certainty.
    """
    rows: list[dict[str, Any]] = []
    processes: list[tuple[str, ...]] = []
    begins: list[int] = []  # the numbers of the rows below a header
    names: list[str] = []
    cells_of = _Cells(names, times := Times())
    seen: set[str] = set()
    for line in lines_of(path, _is_header, columns):
        place = f"line {line.number}"
        if line.names != names:
            names, cells_of = line.names, _Cells(line.names, times)
            if not cells_of.quantities:
                raise BadFileError(
                    path,
                    f"no column of utilization, memory, power, clock or temperature in"
                    f" {', '.join(names)}",
                    RECORD,
                    place=place,
                )
            seen |= cells_of.quantities
        if not line.cells:
            begins.append(len(rows))
            continue
        try:
            values = cells_of.values(line.cells)
        except (ValueError, OverflowError) as error:
            raise BadFileError(path, str(error), RECORD, place=place) from error
        processes.append(cells_of.process(line.cells))
        rows.append(values)
    if not rows:
        raise BadFileError(path, "no sample in it", RECORD)
    present = [quantity for quantity in QUANTITIES if quantity in seen]
    named = (*_COLUMNS, *present)
    table = SCHEMA.table({name: [row.get(name, _MISSING) for row in rows] for name in named})
    table["time (s)"] = times.in_order(table["time (s)"].to_numpy())
    if any(processes):
        table = summed(table, processes, present)
    else:
        is_first = np.isin(np.arange(len(rows)), begins)
        table = apart(table, is_numbered=bool(_NUMBERED & set(names)), is_first=is_first)
    table["time (s)"] -= table["time (s)"].min()
    return table.sort_values("time (s)", kind="stable", ignore_index=True)


def tool_of(line: str) -> str:
    """The tool whose samples a line is the header of; empty if it is none."""
    prefix = prefix_of(line)
    for header in (line, line[len(prefix) :]):
        names = column_names(header)
        if _is_header(names):
            own = next((tool for name, tool in _TOOLS.items() if name in names), "")
            return own or ("nvidia-smi dmon" if header.lstrip().startswith("#") else "nvidia-smi")
    return ""


def _is_header(names: Sequence[str]) -> bool:
    """Whether these are a monitor's columns: two of them, or one that only queries name."""
    known = set(names) & _KNOWN
    if any("." in name for name in known & _QUANTITIES):
        return True
    return len(known) > 1 and bool(known - _COMMON)


class _Cells:
    """What the cells of the samples under one header mean.

    Attributes:
        quantities: those that the samples have.
    """

    def __init__(self, names: Sequence[str], times: Times) -> None:
        self._times = times
        self._is_ours = OURS in names
        self._units: dict[str, str] = {}
        self._roles = _roles(names)
        is_dcgm = ENTITY in names  # dmon has columns of the same names in percent
        self._factors = {
            role: _FACTORS[names[i]]
            for i, role in self._roles.items()
            if is_dcgm and names[i] in _FACTORS
        }
        self._process = [names.index(name) for name in PROCESS if name in names]
        self.quantities = set(self._roles.values()) & set(QUANTITIES)

    def process(self, cells: Sequence[str]) -> tuple[str, ...]:
        """Which process the sample is about; empty if it is about a whole GPU."""
        return tuple(cells[index] for index in self._process)

    def values(self, cells: Sequence[str]) -> dict[str, Any]:
        """A sample from its cells.

        Raises:
            ValueError: a cell cannot be read with certainty.
        """
        values: dict[str, Any] = {"gpu": _NAMELESS, "note": ""}
        reasons = {}
        for index, role in self._roles.items():
            cell = cells[index].strip()
            if not cell and self._is_ours:  # a quantity that its row does not have
                continue
            if role == "gpu":
                values[role] = cell.removeprefix("GPU ")
            elif role == "time (s)":
                values[role] = self._times.seconds(cell)
            elif why := not_told(cell):
                reasons[role] = why
            elif role == "throttled":
                values[role] = max(values.get(role, 0.0), _flag(cell))
            else:
                values[role] = self._quantity(cell, role)
        values["not told"] = "\n".join(f"{role}: {why}" for role, why in reasons.items())
        return values

    def _quantity(self, cell: str, role: str) -> float:
        """A quantity, in the unit of its other samples: a bare `8` may be a truncated `85 %`."""
        value, unit = number(cell)
        if self._units.setdefault(role, unit) != unit:
            raise ValueError(
                f"'{cell}' lacks the unit of the samples before: '{self._units[role]}'"
            )
        value *= self._factors.get(role, 1)
        if (value < 0 and role != "temperature (C)") or (value > 100 and "%" in role):
            raise ValueError(f"'{cell}' is out of range")
        return value


def _roles(names: Sequence[str]) -> dict[int, str]:
    """The role of each known column; if several could name the GPU, the first in `_GPU` counts."""
    roles: dict[int, str] = {}
    for role, aliases in {"gpu": _GPU, "time (s)": _TIME, **QUANTITIES}.items():
        found = next((alias for alias in aliases if alias in names), None)
        if found is not None:
            roles[names.index(found)] = role
    return roles | {i: "throttled" for i, name in enumerate(names) if _THROTTLE.match(name)}


def _flag(cell: str) -> float:
    if cell not in ("Active", "Not Active"):
        raise ValueError(f"'{cell}' is neither Active nor Not Active")
    return float(cell == "Active")
