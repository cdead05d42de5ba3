"""Kernels belong to the range in which they were launched: by hand, in every schema and format."""

import json
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detbench.errors import BadFileError
from detbench.readers.timeline import Timeline
from detbench.readers.timeline_file import read_timeline
from detbench.utilization.ranges import by_range
from detbench.utilization.window import devices

# Two processes, 1 on device 0 and 2 on device 1, that use the same correlation numbers.
# Process 1 opens `forward` in [0, 100) on its thread 10, launches there at 10 and 20, and at 90
# from its thread 11, all of which run when the range has ended; and again in [1000, 1100), where
# nothing is launched. Kernel 9 was launched before the capture began. Process 2 launches at 60,
# after its own `forward` in [0, 50).
PROCESS_1, PROCESS_2 = 1 << 24, 2 << 24
STRINGS = "(1, 'gemm'), (2, 'forward')"
KERNELS = [
    # start, end, device, stream, correlation, process
    (200, 300, 0, 7, 1, PROCESS_1),
    (250, 400, 0, 8, 2, PROCESS_1),
    (500, 600, 0, 7, 3, PROCESS_1),
    (700, 750, 0, 7, 9, PROCESS_1),
    (200, 450, 1, 7, 1, PROCESS_2),
]
CALLS = [
    # start, end, thread, correlation
    (10, 15, PROCESS_1 + 10, 1),
    (20, 25, PROCESS_1 + 10, 2),
    (90, 95, PROCESS_1 + 11, 3),
    (60, 65, PROCESS_2 + 10, 1),
]
RANGES = [
    # start, end, thread
    (0, 100, PROCESS_1 + 10),
    (1000, 1100, PROCESS_1 + 10),
    (0, 50, PROCESS_2 + 10),
]
# What else the exporter of a year writes: tables beside, columns of kernels, of ranges.
SCHEMAS = {
    "2020": ("", "", "text text, textId int"),
    "2022": (
        "create table EXPORT_META_DATA (name text, value text);",
        ", mangledName int",
        "text text, textId int, jsonText text",
    ),
    "2024": (
        "create table META_DATA_EXPORT (name text, value text);"
        "create table META_DATA_CAPTURE (name text, value text);",
        ", mangledName int, graphId int, greenContextId int",
        "text text, textId int, jsonTextId int",
    ),
}


def nsys(path: Path, schema: str = "2024", calls: bool = True, more: str = "") -> Path:
    tables, kernel_columns, range_columns = SCHEMAS[schema]
    with sqlite3.connect(path) as database:
        database.executescript(
            f"""{tables}
            create table StringIds (id int, value text);
            insert into StringIds values {STRINGS};
            create table CUPTI_ACTIVITY_KIND_KERNEL ("start" int, "end" int, deviceId int,
                streamId int, correlationId int, globalPid int, demangledName int,
                shortName int {kernel_columns});
            create table NVTX_EVENTS ("start" int, "end" int, eventType int, globalTid int,
                {range_columns});"""
        )
        for row in KERNELS:
            database.execute(
                "insert into CUPTI_ACTIVITY_KIND_KERNEL (start, end, deviceId, streamId,"
                " correlationId, globalPid, demangledName) values (?, ?, ?, ?, ?, ?, 1)",
                row,
            )
        database.executemany(
            "insert into NVTX_EVENTS (start, end, globalTid, eventType, textId)"
            " values (?, ?, ?, 59, 2)",
            RANGES,
        )
        if calls:
            database.execute(
                'create table CUPTI_ACTIVITY_KIND_RUNTIME ("start" int, "end" int,'
                " globalTid int, correlationId int, nameId int, returnValue int)"
            )
            database.executemany(
                "insert into CUPTI_ACTIVITY_KIND_RUNTIME values (?, ?, ?, ?, 1, 0)", CALLS
            )
        database.executescript(more)
    database.close()
    return path


def read(path: Path) -> Timeline:
    found = read_timeline(path, launches=True)
    assert isinstance(found, Timeline)
    return found


@pytest.mark.parametrize("schema", SCHEMAS)
def test_kernels_count_where_they_were_launched(tmp_path: Path, schema: str) -> None:
    timeline = read(nsys(tmp_path / "t.sqlite", schema))
    forward, unknown = by_range(timeline, ["0"], 10).to_dict("records")
    assert (forward["range"], forward["instances"]) == ("forward", 2)
    assert (forward["kernels"], forward["by its own thread"]) == (3, 2)
    assert forward["CPU time (ms)"] == 200e-6
    # [200, 300) and [250, 400) overlap, [500, 600) is apart: 300 of the 400 from 200 to 600.
    assert forward["busy (ms)"] == 300e-6
    assert forward["GPU span (ms)"] == 400e-6
    assert forward["busy in span (%)"] == 75
    assert (unknown["range"], unknown["kernels"]) == ("(launch not recorded)", 1)
    assert unknown["busy (ms)"] == 50e-6


def test_equal_correlations_of_two_processes_are_not_one(tmp_path: Path) -> None:
    timeline = read(nsys(tmp_path / "t.sqlite"))
    forward, elsewhere = by_range(timeline, ["1"], 10).to_dict("records")
    assert (forward["instances"], forward["kernels"]) == (1, 0)
    assert (elsewhere["range"], elsewhere["kernels"]) == ("(launched in none of these)", 1)
    assert elsewhere["busy (ms)"] == 250e-6


def test_without_calls_no_kernel_has_a_range_and_that_is_said(tmp_path: Path) -> None:
    timeline = read(nsys(tmp_path / "t.sqlite", calls=False))
    with pytest.raises(ValueError, match="does not say which call launched a kernel"):
        by_range(timeline, ["0"], 10)


def test_kernels_without_a_process_are_told_apart_only_where_there_is_one(tmp_path: Path) -> None:
    drop = "alter table CUPTI_ACTIVITY_KIND_KERNEL drop column globalPid;"
    path = nsys(tmp_path / "two.sqlite", more=drop)
    assert read(path).launches is None
    one = f"{drop} delete from CUPTI_ACTIVITY_KIND_RUNTIME where globalTid > {PROCESS_2};"
    timeline = read(nsys(tmp_path / "one.sqlite", more=one))
    assert by_range(timeline, ["0"], 10)["kernels"].tolist() == [3, 1]


def test_a_name_chooses_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    other = f"insert into NVTX_EVENTS values (5, 15, 59, {PROCESS_1 + 10}, 'gemms', null, null);"
    timeline = read(nsys(tmp_path / "t.sqlite", more=other))
    gemms, elsewhere, _ = by_range(timeline, ["0"], 10, "gemms").to_dict("records")
    assert (gemms["kernels"], elsewhere["kernels"]) == (1, 2)
    assert by_range(timeline, ["0"], 1)["range"].tolist()[:2] == [
        "forward",
        "(launch not recorded)",
    ]
    with pytest.raises(ValueError, match="no range 'nope' in it; the most frequent are: forward"):
        by_range(timeline, ["0"], 10, "nope")


def event(name: str, cat: str, ts: int, dur: int, tid: int, **arguments: Any) -> dict[str, Any]:
    return {
        "ph": "X", "cat": cat, "name": name, "ts": ts, "dur": dur, "tid": tid, "args": arguments
    }  # fmt: skip


def test_a_graph_launches_many_kernels_with_one_call_and_steps_are_one_row(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    on_gpu = {"device": 0, "stream": 7}
    path.write_text(
        json.dumps(
            [
                event("ProfilerStep#1", "user_annotation", 0, 10, 1),
                event("ProfilerStep#2", "user_annotation", 10, 10, 1),
                event("inner", "user_annotation", 1, 5, 1),
                event("inner", "user_annotation", 2, 2, 1),
                event("cudaGraphLaunch", "cuda_runtime", 2, 1, 1, correlation=5),
                event("cuLaunchKernel", "cuda_driver", 15, 1, 1, correlation=6),
                event("a", "kernel", 20, 10, 7, correlation=5, **on_gpu),
                event("b", "kernel", 40, 10, 7, correlation=5, **on_gpu),
                event("c", "kernel", 60, 10, 7, correlation=6, **on_gpu),
            ]
        )
    )
    step, inner = by_range(read(path), ["0"], 10).to_dict("records")
    assert (step["range"], step["instances"], step["kernels"]) == ("ProfilerStep#N", 2, 3)
    # Spans: from 20 to 50 us, and from 60 to 70.
    assert step["GPU span (ms)"] == pytest.approx(0.04)
    assert step["busy in span (%)"] == pytest.approx(75)
    # Nested in a range of its own name: its kernels and their time count once, its span twice.
    assert (inner["instances"], inner["kernels"]) == (2, 2)
    assert inner["busy (ms)"] == pytest.approx(0.02)
    assert inner["GPU span (ms)"] == pytest.approx(0.06)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(place=st.integers(0, 1 << 20), bytes_=st.binary(min_size=1, max_size=4))
def test_damage_anywhere_is_a_table_or_a_refusal(tmp_path: Path, place: int, bytes_: bytes) -> None:
    whole = tmp_path / "whole.sqlite"
    content = bytearray((whole if whole.exists() else nsys(whole)).read_bytes())
    place %= len(content) - len(bytes_)
    content[place : place + len(bytes_)] = bytes_
    path = tmp_path / "damaged.sqlite"
    path.write_bytes(content)
    try:
        timeline = read(path)
    except BadFileError:
        return
    with suppress(ValueError):  # which the verb turns into a refusal
        by_range(timeline, devices(timeline), 10)
