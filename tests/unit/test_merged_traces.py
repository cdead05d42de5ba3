"""Recordings of several processes in one file: GPUs of one number are kept apart where it tells."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from detbench.readers.kineto import read_kineto
from detbench.readers.timeline import Timeline
from detbench.readers.timeline_file import read_timeline
from detbench.utilization import compute
from detbench.utilization.definitions import by_definition
from detbench.utilization.ranges import by_range
from detbench.utilization.window import devices
from tests.conftest import Run

# Two processes that both call their GPU 0. In us, kernels of the first are [10, 20) and [30, 40),
# of the second [20, 40) and [60, 70); all stream 7.
KERNELS = {1000: [(10, 10), (30, 10)], 2000: [(20, 20), (60, 10)]}


def trace(
    pid: int, *, gpu: int = 0, offset: int = 0, steps: bool = False, **more: Any
) -> list[dict[str, Any]]:
    """One process's part of a merged trace: its kernels have the pid `gpu`."""
    events: list[dict[str, Any]] = []
    if steps:
        start = 0 if pid == 1000 else 15
        events.append(event("ProfilerStep#1", "user_annotation", start, 50, pid, **more))
    for number, (start, duration) in enumerate(KERNELS[pid], offset + 1):
        call = {"correlation": number, **more}
        events.append(event("cudaLaunchKernel", "cuda_runtime", start - 5, 1, pid, **call))
        place = {"device": 0, "stream": 7, "context": 1, **call}
        events.append(event("gemm", "kernel", start, duration, gpu, **place))
    return events


def event(name: str, cat: str, ts: int, dur: int, pid: Any, **arguments: Any) -> dict[str, Any]:
    return {
        "ph": "X", "cat": cat, "name": name, "ts": ts, "dur": dur, "pid": pid, "tid": pid,
        "args": arguments,
    }  # fmt: skip


END = {"ph": "i", "name": "Record Window End", "ts": 99, "s": "g"}


def read(path: Path, *parts: list[dict[str, Any]], launches: bool = False) -> Timeline:
    path.write_text(json.dumps({"traceEvents": [e for part in parts for e in part]}))
    return read_kineto(path, launches=launches)


def busy(timeline: Timeline) -> dict[str, float]:
    table = compute.by_device(timeline, devices(timeline))
    return dict(zip(table["device"], table["busy (%)"], strict=True))


FORMS = {
    "rank": (
        [trace(1000, rank=0), trace(2000, rank=10)],
        ("rank 0, GPU 0", "rank 10, GPU 0"),
    ),
    "rank as text": (
        [trace(1000, rank="3"), trace(2000, rank="4")],
        ("rank 3, GPU 0", "rank 4, GPU 0"),
    ),
    "pids of GPUs": (
        [trace(1000), trace(2000, gpu=10_000_000)],
        ("process 0, GPU 0", "process 10000000, GPU 0"),
    ),
    "pids and correlations": (
        [trace(1000), trace(2000, gpu=10_000_000, offset=100)],
        ("process 1000, GPU 0", "process 2000, GPU 0"),
    ),
    "correlations": (
        [trace(1000), trace(2000, offset=100)],
        ("process 1000, GPU 0", "process 2000, GPU 0"),
    ),
    "one trace behind another": (
        [[*trace(1000), END], [*trace(2000), END]],
        ("process 1000, GPU 0", "process 2000, GPU 0"),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_gpus_of_one_number_are_apart_where_the_file_tells(tmp_path: Path, form: str) -> None:
    parts, names = FORMS[form]
    timeline = read(tmp_path / "merged.json", *parts)
    # The window of both is [10, 70): 20 us and 30 us of 60.
    assert busy(timeline) == pytest.approx(dict(zip(names, (100 / 3, 50), strict=True)))
    assert "several processes are in it" in timeline.notes[0]


def test_each_process_has_its_own_iterations(tmp_path: Path) -> None:
    parts = [trace(1000, rank=0, steps=True), trace(2000, rank=1, steps=True)]
    timeline = read(tmp_path / "merged.json", *parts, launches=True)
    # Rank 0: 20 of [0, 50). Rank 1: [20, 40) and [60, 65) in [15, 65).
    assert busy(timeline) == pytest.approx({"rank 0, GPU 0": 40, "rank 1, GPU 0": 50})
    steps = compute.by_iteration(timeline, devices(timeline))
    assert steps["busy (%)"].tolist() == pytest.approx([40, 50])
    ranges = by_range(timeline, devices(timeline), 10)
    # Rank 1 launches at 15 and 55 us.
    assert ranges["kernels"].tolist() == [2, 2]
    theirs = by_definition(timeline, devices(timeline))
    mean = theirs[theirs["name"] == "average step"]["time (ms)"]
    assert mean.tolist() == pytest.approx([0.05, 0.055])


def test_ranks_on_different_numbers_keep_their_numbers(tmp_path: Path) -> None:
    second = trace(2000, rank=1)
    for each in second:
        if each["cat"] == "kernel":
            each["args"]["device"] = each["pid"] = 1
    timeline = read(tmp_path / "merged.json", trace(1000, rank=0), second)
    assert devices(timeline) == ["0", "1"]
    assert timeline.notes == ()


def test_where_nothing_tells_it_a_note_does(parser: Run, tmp_path: Path) -> None:
    path = tmp_path / "merged.json"
    timeline = read(path, trace(1000), trace(2000))
    # One device: [10, 40) and [60, 70) of [10, 70).
    assert busy(timeline) == pytest.approx({"0": 200 / 3})
    done = parser("compute_util.py", path, "--json")
    (note,) = json.loads(done.stdout)["notes"]
    assert note.startswith("calls of 2 processes are in it, and nothing tells whose each kernel is")


def test_the_trace_of_one_process_is_as_before(tmp_path: Path) -> None:
    timeline = read(tmp_path / "one.json", trace(1000, rank=0))
    assert devices(timeline) == ["0"]
    assert timeline.notes == ()
    assert not timeline.is_merged


# Processes 1 and 2 of Nsight Systems, whose ids stand above the lowest 24 bits.
NSYS = """
create table StringIds (id int, value text);
insert into StringIds values (1, 'gemm');
create table CUPTI_ACTIVITY_KIND_KERNEL ("start" int, "end" int, deviceId int, contextId int,
    streamId int, correlationId int, globalPid int, demangledName int);
insert into CUPTI_ACTIVITY_KIND_KERNEL values
    (100, 200, 0, 1, 7, 1, 16777216, 1), (150, 300, {other}, 1, 7, 1, 33554432, 1);
"""
DEVICES = """
create table TARGET_INFO_CUDA_DEVICE (gpuId int, cudaId int, pid int, uuid text, numMultiprocessors int);
insert into TARGET_INFO_CUDA_DEVICE values {rows};
"""  # noqa: E501


def nsys(folder: Path, rows: str = "", other: int = 0) -> Timeline:
    path = folder / "t.sqlite"
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as database:
        database.executescript(NSYS.format(other=other))
        if rows:
            database.executescript(DEVICES.format(rows=rows))
    database.close()
    found = read_timeline(path, launches=True)
    assert isinstance(found, Timeline)
    return found


def test_containers_whose_gpu_0_is_another_are_apart(tmp_path: Path) -> None:
    # Together from 100 to 300: 100 and 150 of 200.
    timeline = nsys(tmp_path, "(0, 0, 1, 'GPU-a1', 9), (3, 0, 2, 'GPU-b2', 9)")
    assert busy(timeline) == {"0": 50, "3": 75}
    assert "0 of process 2 is 3" in timeline.notes[0]
    # Where the machine's numbers are equal too, as between containers, only the UUID tells.
    timeline = nsys(tmp_path, "(0, 0, 1, 'GPU-a1', 9), (0, 0, 2, 'GPU-b2', 9)")
    assert busy(timeline) == {"process 1, GPU 0": 50, "process 2, GPU 0": 75}


def test_processes_on_one_gpu_are_one_device(tmp_path: Path) -> None:
    timeline = nsys(tmp_path, "(5, 0, 1, 'GPU-a1', 9), (5, 0, 2, 'GPU-a1', 9)")
    # Kernels of two processes on stream 7 overlap as they like.
    assert busy(timeline) == {"0": 100}
    assert timeline.notes == ()
    # One of them calls it 1.
    timeline = nsys(tmp_path, "(5, 0, 1, 'GPU-a1', 9), (5, 1, 2, 'GPU-a1', 9)", other=1)
    assert busy(timeline) == {"5": 100}


def test_without_the_table_a_note_says_that_it_is_not_told(tmp_path: Path) -> None:
    timeline = nsys(tmp_path)
    assert busy(timeline) == {"0": 100}
    assert timeline.notes[0].startswith("2 processes used a GPU that they call 0")
