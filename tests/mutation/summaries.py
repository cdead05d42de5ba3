"""Summaries: every row's share of the time has to fit the times that are there."""

from __future__ import annotations

from typing import Any

from tests import builders
from tests.mutation.form import Format, csv_cells, has
from tests.mutation.outcome import Rows

_VERB = ("compute-util", "--by", "kernel")


def _of_sums(rows: list[tuple[float, float, int, bool]]) -> Any:
    """Rows are (share, time, calls, whether a kernel)."""
    total = sum(time for _, time, *_ in rows)
    if any(abs(share - 100 * time / total) > 0.1 for share, time, *_ in rows):
        return None
    return sorted((calls, time) for _, time, calls, is_kernel in rows if is_kernel) or None


def _of_nsys_sums(lines: list[bytes]) -> Any:
    rows = [csv_cells(line) for line in lines]
    return _of_sums([(float(r[0]), float(r[1]) / 1e6, int(r[2]), True) for r in rows])


def _of_nvprof_sums(lines: list[bytes]) -> Any:
    rows = [csv_cells(line) for line in lines]
    return _of_sums([(float(r[1]), float(r[2]), int(r[3]), "CUDA" not in r[-1]) for r in rows])


def _of_nsys_column(lines: list[bytes]) -> Any:
    rows = [line.decode().replace(",", "").split() for line in lines]
    return _of_sums([(float(r[0]), float(r[1]) / 1e6, int(r[2]), True) for r in rows])


_MILLISECONDS = {"ms": 1.0, "us": 1e-3}


def _of_nvprof_text(lines: list[bytes]) -> Any:
    rows = [line.decode().partition("%") for line in lines]
    found = []
    for share, _, rest in rows:
        time, calls, *_ = rest.split()
        total = float(time[:-2]) * _MILLISECONDS[time[-2:]]
        found.append((float(share.split()[-1]), total, int(calls), "CUDA" not in rest))
    return _of_sums(found)


def _of_dlprof(lines: list[bytes]) -> Any:
    rows = [csv_cells(line) for line in lines]
    if len(set(lines)) < len(lines):
        return None
    return sorted((int(r[5]) // int(r[6]), int(r[5]) / 1e6) for r in rows) or None


def _of_dlprof_summary(lines: list[bytes]) -> Any:
    told = {row[0]: (int(row[1]), int(row[3])) for row in map(csv_cells, lines)}
    parts = [told.get(name) for name in ("Kernels using TC", "All other kernels", "Memory")]
    if len(told) < 4 or None in parts:
        return None
    return sorted((count, time / 1e6) for time, count in filter(None, parts[:2]))


def _of_dlprof_tensor_cores(lines: list[bytes]) -> Any:
    rows = [csv_cells(line) for line in lines]
    if len(set(lines)) < len(lines):
        return None
    found: dict[str, tuple[int, float]] = {}
    for row in rows:
        found[row[0]] = (int(row[9]), (int(row[6]) + int(row[7])) / 1e6)
    return sorted(found.values()) or None


def _totals(rows: Rows) -> Any:
    return sorted((row["count"], row["total (ms)"]) for row in rows)


def _of_key_averages(lines: list[bytes]) -> Any:
    """The line under the table tells what of it is lost; rows of one name are added up."""
    sums: dict[str, tuple[int, float]] = {}
    for row in (line.decode().split() for line in lines):
        calls, time = sums.get(row[0], (0, 0.0))
        sums[row[0]] = (calls + int(row[-1]), time + float(row[-4][:-2]))
    return sorted(sums.values()) or None


FORMATS = (
    Format(
        "key averages",
        _VERB,
        builders.KEY_AVERAGES.encode(),
        has(b"gemm", b"relu"),
        _of_key_averages,
        _totals,
        suffix=".txt",
        may_refuse=True,
    ),
    Format(
        "nsys sums",
        _VERB,
        builders.NSYS_SUMS.encode(),
        has(b"gemm", b"relu"),
        _of_nsys_sums,
        _totals,
        ends_in="name",
    ),
    Format(
        "nvprof sums",
        _VERB,
        builders.NVPROF_SUMS.encode(),
        has(b"GPU activities"),
        _of_nvprof_sums,
        _totals,
    ),
    Format(
        "nsys sums as text",
        _VERB,
        builders.NSYS_SUMS_COLUMN.encode(),
        has(b"gemm", b"relu"),
        _of_nsys_column,
        _totals,
        suffix=".txt",
        ends_in="name",
    ),
    Format(
        "nvprof sums as text",
        _VERB,
        builders.NVPROF_TEXT.encode(),
        has(b"conv2d", b"CUDA", b"relu"),
        _of_nvprof_text,
        _totals,
        suffix=".txt",
        is_ordered=True,
        ends_in="name",
        may_refuse=True,
    ),
    Format(
        "dlprof kernels",
        _VERB,
        builders.DLPROF_KERNELS.encode(),
        has(b"op_"),
        _of_dlprof,
        _totals,
        ends_in="name",
    ),
    Format(
        "dlprof summary",
        _VERB,
        builders.DLPROF_SUMMARY.encode(),
        has(b"All kernels", b"Kernels using", b"Memory,", b"All other"),
        _of_dlprof_summary,
        _totals,
        ends_in="number",
    ),
    Format(
        "dlprof tensor cores",
        _VERB,
        builders.DLPROF_TENSOR_CORES.encode(),
        has(b"fprop"),
        _of_dlprof_tensor_cores,
        _totals,
        enough=b'"d",0,',  # behind it are the names of no kernels
    ),
)
