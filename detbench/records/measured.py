"""Whether a profiler's file holds data; a profiler's exit code does not say so.

Without a GPU, or with a window that was never reached, nvprof, Nsight Systems and Nsight Compute
all end with code 0 and a file without a single kernel.
"""

from __future__ import annotations

import csv
import gzip
import sqlite3
from pathlib import Path

from detbench.readers.ncu_messages import MAGIC, cause

COUNTERS_REMEDY = (
    "run as root or in a container with --cap-add SYS_ADMIN, or load the driver with "
    "NVreg_RestrictProfilingToAdminUsers=0"
)
"""What gives a process the GPU's performance counters."""
NO_PERMISSION = "ERR_NVGPUCTRPERM"
"""What Nsight Compute says where the driver keeps the counters from it."""

_KERNELS = "CUPTI_ACTIVITY_KIND_KERNEL", "CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL"


def why_empty(path: Path) -> str:
    """Why `path` holds no measurement, in a few words; empty if it holds one."""
    if path.is_dir():
        return "" if any(path.glob("*.csv")) else "it holds no report"
    if not path.is_file():
        return "it was not written"
    if path.stat().st_size == 0:
        return "it is empty"
    if path.suffix in {".sqlite", ".nvvp"}:
        return _why_empty_database(path)
    if path.suffix == ".ncu-rep":
        with path.open("rb") as stream:
            is_report = stream.read(len(MAGIC)) == MAGIC and bool(stream.read(1))
        return "" if is_report else "it is not a report of Nsight Compute"
    if path.suffix == ".gz":
        return _why_empty_trace(path)
    return _why_empty_csv(path)


def _why_empty_database(path: Path) -> str:
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            names = {row[0] for row in database.execute("select name from sqlite_master")}
            for table in _KERNELS:
                if table in names and database.execute(f"select 1 from {table} limit 1").fetchone():  # noqa: S608
                    return ""
    except sqlite3.DatabaseError as error:
        return f"it is not a database: {error}"
    return "it holds no kernel"


def _why_empty_trace(path: Path) -> str:
    try:
        with gzip.open(path, "rb") as stream:
            while block := stream.read(1 << 20):
                if b'"ph"' in block:
                    return ""
    except (OSError, EOFError) as error:
        return f"it is cut short: {error}"
    return "it holds no event"


def _why_empty_csv(path: Path) -> str:
    """Data is a row after the header, which follows Nsight Compute's lines that begin with `==`."""
    with path.open(encoding="utf-8", errors="replace", newline="") as stream:
        lines = (line for line in stream if not line.startswith("=="))
        rows = [row for row, _ in zip(csv.reader(lines), range(2), strict=False)]
    if len(rows) == 2:
        return ""
    with path.open(encoding="utf-8", errors="replace") as stream:
        said = cause(stream)
    if NO_PERMISSION in said:
        return f"it holds no row; the profiler said: {said}; {COUNTERS_REMEDY}"
    return f"it holds no row; the profiler said: {said}" if said else "it holds no row"
