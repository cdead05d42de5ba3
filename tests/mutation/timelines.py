"""Timelines: the busy share by counting the microseconds in which something ran."""

from __future__ import annotations

import gzip
import json
import sqlite3
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests import builders
from tests.mutation.form import Format, csv_cells, has
from tests.mutation.outcome import Rows

_VERB = ("compute-util", "--by", "device")


def _busy(kernels: list[tuple[int, int]], window: tuple[int, int] | None = None) -> float:
    ran = {tick for start, duration in kernels for tick in range(start, start + duration)}
    first, end = window or (min(ran), max(ran) + 1)
    return 100 * len(ran & set(range(first, end))) / (end - first)


_NVPROF_TRACE = builders.NVPROF_TRACE + '5.000000,250.000000,1,"GTX (0)","8","relu [1110]"\n'


def _of_nvprof_trace(lines: list[bytes]) -> Any:
    rows = [csv_cells(line) for line in lines]
    if len(set(lines)) < len(lines):  # the number behind a name tells each call from the others
        return None
    kernels = [(round(1000 * float(r[0])), round(float(r[1]))) for r in rows if "CUDA" not in r[-1]]
    return {"0": (_busy(kernels), len(kernels))} if kernels else None


_MICROSECONDS = {"us": 1, "ms": 1000}


def _of_nvprof_text(lines: list[bytes]) -> Any:
    rows = [line.decode().split() for line in lines]
    kernels = [
        (round(float(start[:-2]) * _MICROSECONDS[start[-2:]]), round(float(duration[:-2])))
        for start, duration, *rest in rows
        if "CUDA" not in "".join(rest)
    ]
    numbers = [row[-1] for row in rows if row[-1][1:-1].isdigit()]
    if len(set(numbers)) < len(numbers) or not kernels:
        return None
    return {"Tesla P100-PCIE": (_busy(kernels), len(kernels))}


def _of_nsys_trace(lines: list[bytes]) -> Any:
    return _of_traced([(int(r[0]), int(r[1]), r[-1]) for r in map(csv_cells, lines)], lines)


_NSYS_COLUMN = builders.NSYS_TRACE_COLUMN.replace("<int, floa…", "<float>")


def _of_nsys_column(lines: list[bytes]) -> Any:
    rows = [line.decode().replace(",", "").split() for line in lines]
    return _of_traced([(int(r[0]), int(r[1]), " ".join(r[7:])) for r in rows], lines)


def _of_traced(rows: list[tuple[int, int, str]], lines: list[bytes]) -> Any:
    kernels = [(start, duration) for start, duration, name in rows if "CUDA" not in name]
    if len(set(lines)) < len(lines) or not kernels:  # a stream runs one thing at a time
        return None
    return {"1": (_busy(kernels), len(kernels))}


_DLPROF = builders.DLPROF_ITERATIONS.replace("fc\nin layer 1", "fc in layer 1")


def _of_dlprof(lines: list[bytes]) -> Any:
    rows = [csv_cells(line) for line in lines]
    if len(set(lines)) < len(lines) or not rows:
        return None
    kernels = [(int(r[5]), int(r[6])) for r in rows]
    return {"0": (_busy(kernels), len(kernels))}


_EVENTS = [
    builders.event("ProfilerStep#1", 0, 60, "user_annotation"),
    builders.event("ProfilerStep#2", 60, 40, "user_annotation"),
    builders.event("sgemm", 10, 20),
    builders.event("conv", 20, 20, stream=8),
    builders.event("sgemm", 80, 20),
    builders.event("add", 0, 50, device=1),
    builders.event("Memcpy HtoD", 50, 10, "gpu_memcpy"),
]
_KINETO = "\n".join(
    [
        '{"schemaVersion": 1, "traceEvents": [',
        *(json.dumps(event) + "," for event in _EVENTS),
        '{"ph": "i", "name": "a mark", "ts": 1}',
        '], "traceName": "t"}',
        "",
    ]
).encode()


def _of_kineto(lines: list[bytes]) -> Any:
    events = [json.loads(line.rstrip(b",\n")) for line in lines]
    steps = [e for e in events if e["cat"] == "user_annotation"]
    window = None
    if steps:
        window = (min(e["ts"] for e in steps), max(e["ts"] + e["dur"] for e in steps))
    kernels: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for event in (e for e in events if e["cat"] == "kernel"):
        kernels[str(event["args"]["device"])].append((event["ts"], event["dur"]))

    def inside(ran: list[tuple[int, int]]) -> int:
        return len([1 for s, d in ran if window is None or (s + d > window[0] and s < window[1])])

    return {d: (_busy(ran, window), inside(ran)) for d, ran in kernels.items()} or None


def _devices(rows: Rows) -> Any:
    return {row["device"]: (row["busy (%)"], row["kernels"]) for row in rows}


def _database(script: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.sqlite"
        connection = sqlite3.connect(path)
        connection.executescript(script)
        connection.close()
        return path.read_bytes()


# What the versions add to the tables of 2020.
NSYS = {
    "2020": builders.NSYS_TABLES,
    "2022": builders.NSYS_TABLES
    + "create table EXPORT_META_DATA (name text, value text);"
    + "alter table CUPTI_ACTIVITY_KIND_KERNEL add column mangledName int;",
    "2024": builders.NSYS_TABLES
    + "create table META_DATA_EXPORT (name text, value text);"
    + "create table TARGET_INFO_GPU (id int, name text);"
    + "alter table CUPTI_ACTIVITY_KIND_KERNEL add column graphNodeId int;"
    + "alter table CUPTI_ACTIVITY_KIND_KERNEL add column greenContextId int;",
}

FORMATS = (
    Format(
        "nvprof trace",
        _VERB,
        _NVPROF_TRACE.encode(),
        has(b"GTX"),
        _of_nvprof_trace,
        _devices,
    ),
    Format(
        "nvprof trace as text",
        _VERB,
        builders.NVPROF_TRACE_TEXT.encode(),
        has(b"Tesla"),
        _of_nvprof_text,
        _devices,
        suffix=".txt",
        ends_in="name",
    ),
    Format(
        "kineto",
        _VERB,
        _KINETO,
        has(b'"args"'),
        _of_kineto,
        _devices,
        suffix=".json",
        may_refuse=True,
    ),
    Format(
        "kineto gzipped",
        _VERB,
        gzip.compress(_KINETO, mtime=0),
        has(b'"args"'),
        lambda _: _of_kineto([line for line in _KINETO.splitlines() if b'"args"' in line]),
        _devices,
        suffix=".json.gz",
    ),
    *(
        Format(
            f"nsys {version}",
            _VERB,
            _database(script),
            has(),
            lambda _: {"0": (30, 2), "1": (60, 1)},
            _devices,
            suffix=".sqlite",
        )
        for version, script in NSYS.items()
    ),
    Format(
        "dlprof database",
        _VERB,
        _database(builders.DLPROF_DATABASE),
        has(),
        lambda _: {"0": (50, 3)},
        _devices,
        suffix=".sqlite",
    ),
    Format(
        "nvprof file",
        _VERB,
        _database(builders.NVPROF_TABLES),
        has(),
        lambda _: {"0": (50, 2)},
        _devices,
        suffix=".nvvp",
    ),
    Format(
        "nsys trace",
        _VERB,
        builders.NSYS_TRACE.encode(),
        has(b"H100"),
        _of_nsys_trace,
        _devices,
        ends_in="name",
    ),
    Format(
        "nsys trace as text",
        _VERB,
        _NSYS_COLUMN.encode(),
        has(b"H100"),
        _of_nsys_column,
        _devices,
        suffix=".txt",
        ends_in="name",
    ),
    Format(
        "dlprof iterations",
        _VERB,
        _DLPROF.encode(),
        has(b"op_"),
        _of_dlprof,
        _devices,
    ),
)
