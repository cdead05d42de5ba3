"""Two reports of DLProf that have no kernel by itself: the summary and the Tensor Core report.

Both say how long kernels ran with and without Tensor Cores; the summary of all kernels together,
the Tensor Core report of each operation. Their counts are of different kernels, not of launches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.timeline import SUMS, TENSOR, KernelSums

SUMMARY = ("System Config", "Summary Report")
TENSOR_CORES = "Tensor Core Report"
TENSOR_COLUMNS = (
    "Op ID", "Op Type", "Uses TC", "TC GPU Time (ns)", "Non-TC GPU Time (ns)", "TC Kernel Count",
    "Non-TC Kernel Count",
)  # fmt: skip
_COUNTS = "DLProf counts different kernels here, not launches."
_KERNELS = "All Kernels"
_ROWS = {"Kernels using TC": "yes", "All other kernels": "no"}
_MEMORY = "Memory"
_NUMBER = re.compile("[0-9]{1,15}")
_ALL = "All kernels"
_TOLD = (
    "GPU Utilization %", "Tensor Core Kernel Utilization %", "Aggregated Iterations",
    "Average Iteration Time (ns)",
)  # fmt: skip


def of_summary(path: Path, lines: Iterable[str], again: str) -> KernelSums:
    """The kernels of a summary report; its own figures are in the notes.

    Raises:
        BadFileError: its table of kernels is missing or damaged, or it has no kernel.
    """
    told: dict[str, str] = {}
    times: dict[str, tuple[int, int]] = {}
    block = ""
    for number, line in enumerate(lines, 1):
        key, comma, rest = line.strip().partition(",")
        if not comma:
            block = key or block
        elif block != _KERNELS:
            told[key] = rest  # the names of GPUs hold commas, and are not quoted
        elif key:
            cells = rest.split(",")
            if len(cells) != 3 or not all(map(_NUMBER.fullmatch, cells[::2])):
                raise BadFileError(path, "the row is damaged", again, place=f"line {number}")
            times[key] = int(cells[0]), int(cells[2])
    missing = [name for name in (_ALL, *_ROWS, _MEMORY) if name not in times]
    if missing:
        raise BadFileError(path, f"DLProf's summary has no row {', '.join(missing)}", again)
    parts = [times[name] for name in (*_ROWS, _MEMORY)]
    if times[_ALL] != tuple(map(sum, zip(*parts, strict=True))):
        raise BadFileError(path, "DLProf's summary: its kernels do not add up", again)
    rows = [(name, *times[name], use) for name, use in _ROWS.items() if times[name][1]]
    notes = [f"DLProf says: {name.removesuffix(' %')} {told[name]}{' %' * name.endswith('%')}"
             for name in _TOLD if name in told]  # fmt: skip
    return _sums(path, again, rows, notes)


def of_tensor_report(path: Path, table: pd.DataFrame, again: str) -> KernelSums:
    """The kernels of each operation in a Tensor Core report, with and without Tensor Cores.

    Raises:
        BadFileError: it has no kernel.
    """
    rows = [
        (f"{op} ({kind})", row[f"{which} GPU Time (ns)"], row[f"{which} Kernel Count"], use)
        for row in table.to_dict("records")
        for op, kind in [(row["Op ID"], row["Op Type"])]
        for which, use in (("TC", "yes"), ("Non-TC", "no"))
        if row[f"{which} Kernel Count"]
    ]
    return _sums(path, again, rows, ["Rows are operations: this report has no times of kernels."])


def _sums(
    path: Path, again: str, rows: list[tuple[str, int, int, str]], notes: list[str]
) -> KernelSums:
    if not rows:
        raise BadFileError(path, "no kernel in it", again)
    names, times, counts, uses = zip(*rows, strict=True)
    kernels = SUMS.table({"name": names, "count": counts, "total (ns)": times, TENSOR: uses})
    return KernelSums(kernels, (*notes, _COUNTS))
