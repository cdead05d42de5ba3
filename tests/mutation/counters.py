"""Counters: utilization is weighted by cycles; a launch has every metric or none is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import make_ncu_log

from detbench.gpus import counters
from tests import builders
from tests.mutation.form import Format, csv_cells, has
from tests.mutation.outcome import Rows

_PIPES = {counters.METRICS[core][0]: core for core in counters.CORES}


def _weighted(launches: Iterable[dict[str, float | None]]) -> dict[str, float | None] | None:
    found: dict[str, float | None] = {}
    rows = list(launches)
    for metric, core in _PIPES.items():
        known = [(row[counters.CYCLES], row[metric]) for row in rows if row.get(metric) is not None]
        total = sum(cycles for cycles, _ in known)
        found[core] = sum(c * p for c, p in known) / total if known else None
    return found if any(v is not None for v in found.values()) else None


def _of_ncu_long(lines: list[bytes]) -> Any:
    launches: dict[str, dict[str, float | None]] = defaultdict(dict)
    for line in lines:
        cells = csv_cells(line)
        launches[cells[0]][cells[-3]] = float(cells[-1].replace(",", ""))
    seen = {metric for launch in launches.values() for metric in launch}
    complete = all(set(launch) == seen for launch in launches.values())
    return _weighted(launches.values()) if complete and counters.CYCLES in seen else None


_NCU_WIDE = builders.NCU_WIDE + '"2","4711","python","add","1","2.50","10.00"\n'


def _of_ncu_wide(lines: list[bytes]) -> Any:
    launches: dict[str, dict[str, float | None]] = {}
    fma = counters.METRICS["fma"][0]
    for line in lines:
        cells = csv_cells(line)
        share = None if cells[-1] == "n/a" else float(cells[-1])
        launches[cells[0]] = {counters.CYCLES: 1000 * float(cells[-2]), fma: share}
    return _weighted(launches.values())


_SHOWN = ("fma", "tensor")


def _of_ncu_details(lines: list[bytes]) -> Any:
    """Its pages show a choice: a launch without a metric has no part in it."""
    shown = {"SM: Pipe Fma Cycles Active": "fma", "SM: Pipe Tensor Cycles Active": "tensor"}
    launches: dict[str, dict[str, float]] = defaultdict(dict)
    for line in lines:
        cells = csv_cells(line)
        launches[cells[0]][shown.get(cells[-3], "cycles")] = float(cells[-1].replace(",", ""))
    return _of_shown(list(launches.values()))


def _of_ncu_text(lines: list[bytes]) -> Any:
    launches: list[dict[str, float]] = []
    for line in lines:
        words = line.decode().split()
        if "Context" in words:
            launches.append({})
        elif not launches:
            continue
        else:
            name = "cycles" if words[0].startswith("sm__cycles") else "fma"
            if launches[-1].setdefault(name, value := float(words[-1].replace(",", ""))) != value:
                return None
    return _of_shown(launches)


def _of_shown(launches: list[dict[str, float]]) -> Any:
    found: dict[str, float | None] = dict.fromkeys(_SHOWN)
    for core in _SHOWN:
        known = [(row["cycles"], row[core]) for row in launches if {"cycles", core} <= set(row)]
        if known:
            total = sum(cycles for cycles, _ in known)
            found[core] = sum(cycles * share for cycles, share in known) / total
    return found if any(value is not None for value in found.values()) else None


def _cycles(rows: Rows) -> Any:
    return {core: rows[0][f"{core} cycles (%)"] for core in _SHOWN}


def _cores(rows: Rows) -> Any:
    return {core: rows[0][f"{core} (%)"] for core in counters.CORES}


# nvprof's levels: every kernel has one of each unit, weighted by launches.


def _of_levels(rows: list[tuple[str, str, int, int]]) -> Any:
    """Rows are (kernel, metric, launches, level); other metrics have the level -1."""
    own = [(kernel, count, level) for kernel, _, count, level in rows if level >= 0]
    if sorted({kernel for kernel, *_ in rows}) != sorted(kernel for kernel, *_ in own):
        return None
    launches = sum(count for _, count, _ in own)
    return (sum(count * level for _, count, level in own) / launches, launches) if own else None


def _level(text: str) -> int:
    return int(text.partition("(")[2].rstrip(")") or -1)


def _of_levels_csv(lines: list[bytes]) -> Any:
    rows = [csv_cells(line) for line in lines]
    return _of_levels([(r[1], r[3], int(r[2]), _level(r[-1])) for r in rows])


def _of_levels_text(lines: list[bytes]) -> Any:
    rows: list[tuple[str, str, int, int]] = []
    kernel = ""
    for line in lines:
        words = line.decode().split()
        if words[0] == "Kernel:":
            kernel = words[1]
            rows.append((kernel, "", 0, -1))
        elif not kernel:
            if _level(words[-1]) >= 0:
                return None
        else:
            rows.append((kernel, words[1], int(words[0]), _level(words[-1])))
    return _of_levels(rows)


def _mean_level(rows: Rows) -> Any:
    (row,) = rows
    return (row["level (0 to 10)"], row["kernels"])


FORMATS = (
    Format(
        "ncu long",
        ("core-util", "--by", "file"),
        ("\n".join(make_ncu_log.lines(3)) + "\n").encode(),
        has(b'"4711"'),
        _of_ncu_long,
        _cores,
    ),
    Format(
        "ncu wide",
        ("core-util", "--by", "file"),
        _NCU_WIDE.encode(),
        has(b'"4711"'),
        _of_ncu_wide,
        _cores,
    ),
    Format(
        "ncu details",
        ("core-util", "--by", "file"),
        builders.NCU_DETAILS.encode(),
        has(b'"77"'),
        _of_ncu_details,
        _cycles,
        may_refuse=True,
    ),
    Format(
        "ncu text",
        ("core-util", "--by", "file"),
        builders.NCU_TEXT.encode(),
        has(b", Context", b"sm__"),
        _of_ncu_text,
        _cycles,
        suffix=".txt",
        is_ordered=True,
        may_refuse=True,
    ),
    Format(
        "nvprof levels",
        ("core-util", "--by", "file"),
        builders.NVPROF_LEVELS.encode(),
        has(b'"V (0)"'),
        _of_levels_csv,
        _mean_level,
        may_refuse=True,
    ),
    Format(
        "nvprof levels as text",
        ("core-util", "--by", "file"),
        builders.NVPROF_LEVELS_TEXT.encode(),
        has(b"Kernel:", b"%", b")   "),
        _of_levels_text,
        _mean_level,
        suffix=".txt",
        is_ordered=True,
        may_refuse=True,
    ),
)
