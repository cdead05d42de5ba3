"""Timelines in SQLite: exports of Nsight Systems, and files of nvprof. Both hold CUPTI's records.

Nsight Systems (`nsys export --type sqlite`, 2020 to 2026): kernels in CUPTI_ACTIVITY_KIND_KERNEL,
names in StringIds(id, value), ranges in NVTX_EVENTS. Empty tables are left out.
nvprof (`--export-profile`): kernels in CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL or ..._KERNEL, names
in StringTable(_id_, value).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.cupti_devices import name_devices
from detbench.readers.cupti_launches import (
    PROCESS_SHIFT,
    count_launches,
    read_launches,
    unrecorded_launches,
)
from detbench.readers.cupti_ranges import read_ranges
from detbench.readers.database import Database, named, open_database
from detbench.readers.graph_launches import told_without_kernels
from detbench.readers.numbers import impossible
from detbench.readers.schema import blocks, categorical, joined, stacked
from detbench.readers.streams import UNKNOWN, codes_of, distinct, in_turn
from detbench.readers.timeline import ACTIVITIES, Timeline

# The values of `copyKind` (CUpti_ActivityMemcpyKind).
_COPIES = {
    1: "HtoD", 2: "DtoH", 3: "HtoA", 4: "AtoH", 5: "AtoA", 6: "AtoD", 7: "DtoA", 8: "DtoD",
    9: "HtoH", 10: "PtoP",
}  # fmt: skip
_KERNELS = ("CUPTI_ACTIVITY_KIND_KERNEL", "CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL")
# A whole CUDA graph as one activity: nsys's default, with --cuda-graph-trace=graph.
_GRAPH = "CUDA graph"
_GRAPHS = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
_NAME_COLUMNS = ("demangledName", "shortName", "name")
# What tells streams and launches of several processes apart.
_KEYS = ("globalPid", "contextId", "correlationId")


def read_cupti(path: Path, *, launches: bool = False) -> Timeline:
    """Read a timeline, with `launches` also which call launched each activity.

    Raises:
        BadFileError: it is not such a file, is damaged, or holds no kernel.
    """
    with open_database(path) as database:
        names = database.strings("StringIds", "id", "value")
        names |= database.strings("StringTable", "_id_", "value")
        kernel_tables = _tables(database, *_KERNELS)
        kernels = [_kernels(database, table, names) for table in kernel_tables]
        graph_tables = _tables(database, _GRAPHS)
        graphs = [_activities(database, t, "kernel", "", {}, _GRAPH) for t in graph_tables]
        kernel_tables += graph_tables
        kernels += graphs
        if not any(len(part.start) for part in kernels):
            raise BadFileError(path, *_why_no_kernel(database, names))
        copies = {kind: f"Memcpy {way}" for kind, way in _COPIES.items()}
        copy_tables = _tables(database, "CUPTI_ACTIVITY_KIND_MEMCPY")
        set_tables = _tables(database, "CUPTI_ACTIVITY_KIND_MEMSET")
        parts = [
            *kernels,
            *(_activities(database, t, "copy", "copyKind", copies) for t in copy_tables),
            *(_activities(database, t, "copy", "", {}) for t in set_tables),
        ]
        called = None
        if launches:
            called = read_launches(database, [*kernel_tables, *copy_tables, *set_tables])
        process, context, correlation, device = (
            joined([part.key[name] for part in parts]) for name in (*_KEYS, "deviceId")
        )
        gpus = name_devices(database, process, device)
        table = _table(parts, gpus.device)
        keys = pd.DataFrame({"process": process, "correlation": correlation})
        found = Timeline(
            table,
            read_ranges(database, names),
            called,
            notes=(gpus.note, *unrecorded_launches(database, names, keys)),
            processes=_processes(gpus.device, process),
            is_merged=gpus.is_merged,
        )
        queue = codes_of(process, context, device, table["stream"].to_numpy())
        # Graphs of one stream are no kernels that wait for each other: it may be two graphs'.
        queue[(table["name"] == _GRAPH).to_numpy()] = UNKNOWN
        has_processes = bool((process != UNKNOWN).all())
        found = in_turn(found, queue, correlation, is_one_process=has_processes)
        return _timed(found, sum(len(part.start) for part in graphs))


def _timed(timeline: Timeline, num_graphs: int) -> Timeline:
    """The activities whose times were collected, and what a reader has to know of them.

    CUPTI writes 0 for both times of an activity that it could not time (cupti_activity.h).
    """
    notes = list(timeline.notes)
    if num_graphs:
        notes.append(
            f"CUDA graphs are a row each ({num_graphs:,}), busy from start to end: their kernels"
            " were not recorded (nsys profile --cuda-graph-trace=node)"
        )
    table, launches = timeline.activities, timeline.launches
    is_timed = ((table["start (ns)"] != 0) | (table["duration (ns)"] != 0)).to_numpy()
    if not is_timed.all():
        untimed = int((~is_timed).sum())
        notes.append(f"without times, as these could not be collected, and left out: {untimed:,}")
        table = table[is_timed].reset_index(drop=True)
        if launches is not None:
            place = np.cumsum(is_timed) - 1
            launches = launches[is_timed[launches["activity"]]]
            launches = launches.assign(activity=place[launches["activity"]])
    return replace(timeline, activities=table, launches=launches, notes=tuple(filter(None, notes)))


def _processes(
    device: pd.Categorical[str], process: npt.NDArray[np.int64]
) -> dict[str, frozenset[int]]:
    """By device, the processes that used it, as far as they are told."""
    rows, _ = distinct(device.codes, process)
    found: dict[str, set[int]] = {}
    for row in rows[process[rows] != UNKNOWN]:
        found.setdefault(str(device[row]), set()).add(int(process[row]))
    return {name: frozenset(processes) for name, processes in found.items()}


class _Activities(NamedTuple):
    """The rows of one CUPTI table."""

    kind: str
    name: pd.Categorical[str]
    key: dict[str, npt.NDArray[np.int64]]
    stream: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    duration: npt.NDArray[np.int64]


def _table(parts: list[_Activities], device: pd.Categorical[str]) -> pd.DataFrame:
    lengths = [len(part.start) for part in parts]
    kinds = ["kernel", "copy"]
    codes = np.repeat(np.array([kinds.index(part.kind) for part in parts], np.int8), lengths)
    return ACTIVITIES.table(
        {
            # Categories, because a million kernels share a few hundred names.
            "name": stacked([part.name for part in parts]),
            "kind": categorical(codes, kinds),
            "device": device,
            "stream": joined([part.stream for part in parts]),
            "start (ns)": joined([part.start for part in parts]),
            "duration (ns)": joined([part.duration for part in parts]),
        }
    )


def _tables(database: Database, *names: str) -> list[str]:
    return [table for name in names if (table := database.table(name)) is not None]


def _kernels(database: Database, table: str, names: dict[int, str]) -> _Activities:
    column = next((c for c in _NAME_COLUMNS if c in database.columns[table]), "demangledName")
    return _activities(database, table, "kernel", column, names)


def _activities(
    database: Database,
    table: str,
    kind: str,
    name_column: str,
    names: dict[int, str],
    one_name: str = "Memset",
) -> _Activities:
    """The rows of one CUPTI table; without a name column they are all called `one_name`."""
    columns = ["start", "end", "deviceId", "streamId", *([name_column] if name_column else [])]
    told = _columns(database, table, columns)
    start, end, device, stream, *ids = (told[name] for name in columns)
    wrong = _first_wrong(start, end)
    if wrong is not None:
        raise BadFileError(
            database.path,
            "an activity ends before it starts"
            if end[wrong] < start[wrong]
            else "its times are impossible",
            "export it again",
            place=f"table {table}, row {wrong + 1}",
        )
    label = named(ids[0], names) if ids else named(np.zeros_like(start), {0: one_name})
    return _Activities(
        kind,
        label,
        {"deviceId": device, **{name: told[name] for name in _KEYS}},
        stream,
        start,
        np.subtract(end, start, out=end),  # ten million are a lot to hold twice
    )


def _first_wrong(start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]) -> int | None:
    """The first row whose times cannot be."""
    for some in blocks(len(start)):
        wrong = impossible(start[some], end[some])
        if wrong.any():
            return int(some.start + wrong.argmax())
    return None


def _columns(database: Database, table: str, needed: list[str]) -> dict[str, npt.NDArray[np.int64]]:
    """Columns by name: what is needed, and `_KEYS`, where old versions have none or empty cells."""
    keys = [name for name in _KEYS if name in database.columns[table]]
    try:
        read = zip([*needed, *keys], database.integers(table, [*needed, *keys]), strict=True)
        found = dict(read)
    except BadFileError:
        found = dict(zip(needed, database.integers(table, needed), strict=True))
        for name in keys:
            with suppress(BadFileError):
                (found[name],) = database.integers(table, [name])
    if "globalPid" in found:
        found["globalPid"] = found["globalPid"] >> PROCESS_SHIFT
    unknown = np.broadcast_to(np.int64(UNKNOWN), found[needed[0]].shape)
    return found | {name: _compact(found.get(name, unknown)) for name in _KEYS}


def _compact(column: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The column; without memory of its own if all of it is one number."""
    if len(column) and not (column != column[0]).any():
        return np.broadcast_to(column[0], column.shape)
    return column


def _why_no_kernel(database: Database, names: dict[int, str]) -> tuple[str, str]:
    """What the file holds instead of kernels, and the remedy."""
    remedy = "profile a window that runs on a GPU"
    if not any(name.startswith("CUPTI_") for name in database.columns):
        known = {"StringIds", "StringTable", "NVTX_EVENTS"} & set(database.columns)
        return (
            "no CUDA activity in it: CUDA was not traced, or not used while it was recorded"
            if known
            else "neither an export of Nsight Systems nor a file of nvprof"
        ), remedy
    if num_launches := count_launches(database, names):
        return (
            f"no kernel in it: {told_without_kernels(num_launches)}",
            "see the diagnostics in the report, and record it again:"
            " nsys profile --trace=cuda --cuda-graph-trace=node",
        )
    return "no kernel in it", remedy
