#!/usr/bin/env python3
"""Write an Nsight Systems export of any size: python perf/make_nsys_sqlite.py KERNELS FILE.

The export has the tables of schema 3 that compute utilization needs. Kernel k starts at 10 us * k
and lasts 4 us to 12 us on one of four streams, so neighbours sometimes overlap. It is launched
5 us earlier; a thousand launches form an iteration.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

_NAMES = 200
_ITERATION = 1000  # kernels
_PID = 1 << 24  # of process 1
_SCRIPT = """
create table StringIds (id integer primary key, value text);
create table META_DATA_EXPORT (name text, value text);
insert into META_DATA_EXPORT values ('EXPORT_SCHEMA_VERSION', '3.1.0');
create table CUPTI_ACTIVITY_KIND_KERNEL (
    start integer not null, "end" integer not null, deviceId integer not null,
    contextId integer not null, streamId integer not null, correlationId integer,
    globalPid integer, demangledName integer not null, shortName integer not null,
    mangledName integer, launchType integer, cacheConfig integer, registersPerThread integer,
    gridX integer not null, gridY integer not null, gridZ integer not null,
    blockX integer not null, blockY integer not null, blockZ integer not null,
    staticSharedMemory integer, dynamicSharedMemory integer, graphNodeId integer);
create table CUPTI_ACTIVITY_KIND_RUNTIME (
    start integer not null, "end" integer not null, eventClass integer not null,
    globalTid integer, correlationId integer, nameId integer not null,
    returnValue integer not null, callchainId integer);
create table NVTX_EVENTS (
    start integer not null, "end" integer, eventType integer not null, rangeId integer,
    text text, globalTid integer, textId integer, domainId integer);
create table TARGET_INFO_GPU (id integer, name text, smCount integer);
insert into TARGET_INFO_GPU values (0, 'generated', 1);
"""


def kernels(num_kernels: int) -> Iterator[tuple[int, ...]]:
    """The rows of the kernel table."""
    for k in range(num_kernels):
        start = 10_000 * k
        name = 1 + k % _NAMES
        end = start + 4_000 + k * 37 % 8_000
        launch = (0, 1, 7 + k % 4, k, _PID, name, name, name, 1, 0, 32)
        yield (start, end, *launch, 80, 1, 1, 128, 1, 1, 0, 0, 0)


def launches(num_kernels: int) -> Iterator[tuple[int | None, ...]]:
    """The rows of the table of runtime calls."""
    for k in range(num_kernels):
        start = 10_000 * k - 5_000
        yield (start, start + 3_000, 0, _PID + 1, k, 1, 0, None)


def end_of_iterations(num_kernels: int) -> int:
    """The end of the last iteration in ns; a kernel may end later."""
    return max(start + length for start, length in _spans(num_kernels))


def _spans(num_kernels: int) -> Iterator[tuple[int, int]]:
    for first in range(0, num_kernels, _ITERATION):
        yield 10_000 * first - 6_000, 10_000 * _ITERATION


def iterations(num_kernels: int) -> Iterator[tuple[int | str | None, ...]]:
    """The rows of the table of ranges."""
    for number, (start, length) in enumerate(_spans(num_kernels)):
        yield (start, start + length, 59, None, f"iteration {number}", _PID + 1, None, 0)


def write(path: Path, num_kernels: int) -> None:
    """Write the database."""
    with sqlite3.connect(path) as database:
        database.executescript(_SCRIPT)
        names = ((i, f"void kernel_{i}<float>(float const*, int)") for i in range(1, _NAMES + 1))
        database.executemany("insert into StringIds values (?, ?)", names)
        for table, rows, columns in (
            ("CUPTI_ACTIVITY_KIND_KERNEL", kernels(num_kernels), 22),
            ("CUPTI_ACTIVITY_KIND_RUNTIME", launches(num_kernels), 8),
            ("NVTX_EVENTS", iterations(num_kernels), 8),
        ):
            marks = ", ".join("?" * columns)
            database.executemany(f"insert into {table} values ({marks})", rows)  # noqa: S608


if __name__ == "__main__":
    write(Path(sys.argv[2]), int(sys.argv[1]))
