"""A stream runs one kernel after another: what denies that is cut and told, in every format."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from detbench.readers.timeline import Timeline
from detbench.readers.timeline_file import read_timeline
from detbench.utilization import compute
from detbench.utilization.window import devices
from tests.conftest import Run

# In us: `late` was written to last from 10 to 510, over two kernels of its stream; so it ends by
# 100. Stream 8 is another one.
ROWS = [
    # start, duration, stream, launch, name
    (0, 5, 7, 1, "first"),
    (10, 500, 7, 2, "late"),
    (30, 20, 8, 3, "beside"),
    (100, 20, 7, 4, "inside"),
    (200, 10, 7, 5, "last"),
]


def kineto(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    events = [
        {"ph": "X", "cat": "kernel", "name": name, "ts": start, "dur": duration, "pid": 0,
         "args": {"device": 0, "stream": stream, "correlation": launch}}
        for start, duration, stream, launch, name in rows
    ]  # fmt: skip
    path.write_text(json.dumps(events))
    return path


def nsys_sqlite(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    with sqlite3.connect(path) as database:
        database.executescript(
            """create table StringIds (id int, value text);
            create table CUPTI_ACTIVITY_KIND_KERNEL ("start" int, "end" int, deviceId int,
                contextId int, streamId int, correlationId int, globalPid int, shortName int);"""
        )
        for number, (start, duration, stream, launch, name) in enumerate(rows):
            end = 1000 * (start + duration)
            database.execute("insert into StringIds values (?, ?)", (number, name))
            database.execute(
                "insert into CUPTI_ACTIVITY_KIND_KERNEL values (?, ?, 0, 1, ?, ?, 16777216, ?)",
                (1000 * start, end, stream, launch, number),
            )
    database.close()
    return path


def nsys_csv(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    lines = ["Start (us),Duration (us),CorrId,Device,Ctx,Strm,Name"]
    lines += [f"{s},{d},{launch},H100 (0),1,{stream},{name}" for s, d, stream, launch, name in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def nvprof_csv(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    lines = ['"Start","Duration","Device","Context","Stream","Name"', "us,us,,,,"]
    lines += [
        f'{s}.0,{d}.0,"V (0)","1","{stream}","{name} [{launch}]"'
        for s, d, stream, launch, name in rows
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


FORMATS = (kineto, nsys_sqlite, nsys_csv, nvprof_csv)


def read(path: Path) -> Timeline:
    found = read_timeline(path)
    assert isinstance(found, Timeline)
    return found


@pytest.mark.parametrize("write", FORMATS)
def test_a_kernel_over_later_ones_of_its_stream_ends_where_they_begin(
    tmp_path: Path, write: Any
) -> None:
    timeline = read(write(tmp_path / "t", ROWS))
    table = timeline.activities.set_index("name")
    assert (table["duration (ns)"] // 1000).to_dict() == {
        "first": 5, "late": 90, "beside": 20, "inside": 20, "last": 10
    }  # fmt: skip
    # [0, 5), [10, 120), [200, 210) of 210.
    (row,) = compute.by_device(timeline, ["0"]).to_dict("records")
    assert row["busy (%)"] == pytest.approx(100 * 125 / 210)
    (note,) = timeline.notes
    assert "1 kernel would have lasted beyond later ones" in note
    assert "by 0.41 ms in all" in note
    assert "late on GPU 0, stream 7, written as 0.5 ms, cut to 0.09 ms (2 kernels inside)" in note


def test_the_note_stands_beside_the_tables_and_in_json(parser: Run, tmp_path: Path) -> None:
    path = kineto(tmp_path / "t.json", ROWS)
    assert "a stream runs one kernel after another" in parser("compute_util.py", path).stderr
    (note,) = json.loads(parser("compute_util.py", path, "--json").stdout)["notes"]
    assert note.startswith("a stream runs one kernel after another, but 1 kernel")


@pytest.mark.parametrize("write", FORMATS)
@pytest.mark.parametrize(
    "rows",
    [
        # Programmatic dependent launch: the next one begins early, and ends later.
        [(0, 100, 7, 1, "a"), (80, 60, 7, 2, "b"), (140, 10, 7, 3, "c")],
        # Whole microseconds: the end of the first may be rounded up, and that of the second down.
        [(0, 12, 7, 1, "a"), (11, 0, 7, 2, "b"), (20, 5, 7, 3, "c")],
        # The kernels of one graph share their launch, and its branches a stream.
        [(0, 100, 7, 1, "a"), (10, 20, 7, 1, "b"), (40, 20, 7, 1, "c"), (120, 5, 7, 2, "d")],
    ],
)
def test_what_a_stream_may_do_is_no_fault(
    tmp_path: Path, write: Any, rows: list[tuple[Any, ...]]
) -> None:
    timeline = read(write(tmp_path / "t", rows))
    assert (timeline.activities["duration (ns)"] // 1000).tolist() == [row[1] for row in rows]
    assert timeline.notes == ()


@pytest.mark.parametrize("write", [nsys_csv, nvprof_csv])
def test_a_stream_of_two_processes_is_known_by_its_launches(tmp_path: Path, write: Any) -> None:
    # No process is named; launches that fall along a stream are of two, which may overlap.
    rows = [
        row
        for number in range(1, 9)
        for row in (
            (100 * number, 90, 7, number, "long"),
            (100 * number + 10, 20, 7, 500 + number, "short"),
        )
    ]
    timeline = read(write(tmp_path / "t", rows))
    assert timeline.notes == ()
    assert devices(timeline) == ["0"]


def graphs(path: Path, with_kernels: int) -> Path:
    """Four launches of a graph, of which some have kernels."""
    events = []
    for number in range(4):
        arguments = {"correlation": number}
        events.append(
            {"ph": "X", "cat": "cuda_runtime", "name": "cudaGraphLaunch", "ts": 100 * number,
             "dur": 1, "pid": 9, "tid": 9, "args": arguments}
        )  # fmt: skip
        if number < with_kernels:
            place = {"device": 0, "stream": 7, **arguments}
            events.append(
                {"ph": "X", "cat": "kernel", "name": "k", "ts": 100 * number + 5, "dur": 10,
                 "pid": 0, "args": place}
            )  # fmt: skip
    path.write_text(json.dumps(events))
    return path


def test_launches_of_graphs_without_kernels_are_counted(parser: Run, tmp_path: Path) -> None:
    done = parser("compute_util.py", graphs(tmp_path / "t.json", 1), "--json")
    (note,) = json.loads(done.stdout)["notes"]
    assert note.startswith("3 of 4 launches of CUDA graphs have no kernel in the file")
    assert read(graphs(tmp_path / "whole.json", 4)).notes == ()


@pytest.mark.parametrize("call", ["cudaGraphLaunch_v10000", "cuGraphLaunch_ptsz"])
def test_launches_of_graphs_in_an_export_of_nsight_systems(tmp_path: Path, call: str) -> None:
    path = nsys_sqlite(tmp_path / "t.sqlite", ROWS[:1])
    with sqlite3.connect(path) as database:
        database.executescript(
            f"""insert into StringIds values (90, '{call}');
            create table CUPTI_ACTIVITY_KIND_RUNTIME ("start" int, "end" int, globalTid int,
                correlationId int, nameId int);
            insert into CUPTI_ACTIVITY_KIND_RUNTIME values (0, 1, 16777217, 1, 90),
                (5, 6, 16777217, 2, 90), (7, 8, 33554433, 1, 90);"""
        )
    database.close()
    (note,) = read(path).notes
    # That of process 1 with number 1 has its kernel; number 1 of process 2 is another one.
    assert note.startswith("2 of 3 launches of CUDA graphs have no kernel in the file: ")
    assert "--cuda-graph-trace=node" in note
