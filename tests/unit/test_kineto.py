import gzip
import json
from pathlib import Path
from typing import Any

import make_kineto
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detbench.errors import BadFileError
from detbench.readers.kineto import read_kineto
from detbench.utilization import compute
from detbench.utilization.window import devices
from tests.builders import event
from tests.conftest import Run, assert_refused


def write(path: Path, *events: dict[str, Any]) -> Path:
    path.write_bytes(gzip.compress(json.dumps({"traceEvents": events}).encode()))
    return path


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    # In microseconds: the steps last from 0 to 100. Kernels cover [10, 30) and [20, 40) on two
    # streams, [90, 110) over the window's end and a copy [50, 60).
    return write(
        tmp_path / "t.json.gz",
        event("ProfilerStep#1", 0, 60, "user_annotation"),
        event("ProfilerStep#2", 60, 40, "user_annotation"),
        event("ProfilerStep#2", 61, 50, "gpu_user_annotation"),
        event("sgemm", 10, 20),
        event("conv", 20, 20, stream=8),
        event("sgemm", 90, 20),
        event("Memcpy HtoD", 50, 10, "gpu_memcpy"),
        {"ph": "i", "name": "a mark", "ts": 1},
    )


def test_busy_is_the_union_inside_the_profiled_iterations(trace: Path) -> None:
    row = compute.by_device(read_kineto(trace), ["0"]).iloc[0]
    # [10, 40) is 30, [90, 100) is 10: 40 of 100. With the copy 50.
    assert row["busy (%)"] == pytest.approx(40)
    assert row["busy with copies (%)"] == pytest.approx(50)
    assert row["iterations"] == 2
    assert row["kernels"] == 3


def test_streams_iterations_and_gaps(trace: Path) -> None:
    timeline = read_kineto(trace)
    streams = compute.by_stream(timeline, ["0"]).set_index("stream")
    # Stream 7: [10, 30) and [90, 100); stream 8: [20, 40).
    assert streams["busy (%)"].to_dict() == pytest.approx({7: 30, 8: 20})
    steps = compute.by_iteration(timeline, ["0"])
    # [10, 40) of [0, 60), [90, 100) of [60, 100).
    assert steps["busy (%)"].tolist() == pytest.approx([50, 25])
    (gap,) = compute.by_gap(timeline, ["0"]).to_dict("records")
    # Idle are [0, 10) and [40, 90), in microseconds.
    assert (gap["gaps"], gap["largest (ms)"]) == (2, pytest.approx(0.05))
    assert (gap["idle (%)"], gap["10 to 100 us"]) == (pytest.approx(60), 2)


def test_a_range_of_any_name_can_be_the_window(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.json.gz",
        event("forward", 0, 20, "user_annotation"),
        event("forward", 80, 20, "user_annotation"),
        event("k", 10, 10),
    )
    timeline = read_kineto(path)
    assert compute.by_device(timeline, ["0"], "forward").iloc[0]["busy (%)"] == pytest.approx(10)
    assert compute.by_iteration(timeline, ["0"], "forward")["busy (%)"].tolist() == [50, 0]
    with pytest.raises(ValueError, match="no range 'nope' in it; the most frequent are: forward"):
        compute.by_device(timeline, ["0"], "nope")


def test_communication_counts_apart_from_what_it_overlaps(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.json.gz",
        event("ncclDevKernel_AllReduce", 0, 40),
        event("gemm", 30, 30, stream=8),
        event("gemm", 90, 10, stream=8),
    )
    (row,) = compute.by_communication(read_kineto(path), ["0"]).to_dict("records")
    # 40 of 100, of which [30, 40) beside compute.
    assert row["communication (%)"] == pytest.approx(40)
    assert row["overlapped (%)"] == pytest.approx(25)
    assert row["exposed (ms)"] == pytest.approx(0.03)


def test_without_steps_the_window_is_from_first_to_last_kernel(tmp_path: Path) -> None:
    path = write(tmp_path / "t.json.gz", event("a", 1000, 10), event("b", 1030, 10))
    row = compute.by_device(read_kineto(path), ["0"]).iloc[0]
    assert row["busy (%)"] == pytest.approx(50)  # 20 of 40
    assert row["window"] == "first to last kernel"


def test_devices_are_told_apart(tmp_path: Path) -> None:
    path = write(tmp_path / "t.json.gz", event("a", 0, 10), event("b", 0, 10, device=1))
    assert devices(read_kineto(path)) == ["0", "1"]


def test_time_by_class_is_a_share_of_kernel_time(trace: Path) -> None:
    table = compute.by_name(read_kineto(trace), ["0"], "class").set_index("class")
    assert table.loc["gemm", "share (%)"] == pytest.approx(100 * 40 / 60)
    assert table.loc["conv", "count"] == 1


def test_categories_of_pytorch_1_8_are_understood(tmp_path: Path) -> None:
    path = write(tmp_path / "t.json.gz", event("k", 0, 5, "Kernel"), event("m", 6, 1, "Memcpy"))
    assert read_kineto(path).activities["kind"].tolist() == ["kernel", "copy"]


def test_a_plain_json_list_of_events_is_a_trace_too(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps([event("k", 0, 5)]))
    assert len(read_kineto(path).activities) == 1


def test_times_keep_their_nanoseconds_however_large_they_are(tmp_path: Path) -> None:
    # As floats both would be rounded to a quarter of a microsecond.
    text = json.dumps({"traceEvents": [event("a", 1111, 5), event("b", 2222, 5)]})
    text = text.replace("1111", "1695835535123456.101").replace("2222", "1695835535123466.103")
    path = tmp_path / "t.json"
    path.write_text(text)
    starts = read_kineto(path).activities["start (ns)"].tolist()
    assert starts == [1695835535123456101, 1695835535123466103]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("as_list", [True, False])
def test_blocks_of_any_size_give_the_same_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indent: int | None, as_list: bool
) -> None:
    events = [event(f'k{i} {{"ph": }}, {{', 10 * i, 5, stream=i % 3) for i in range(50)]
    document: Any = events if as_list else {"schemaVersion": 1, "traceEvents": events, "z": [1]}
    path = tmp_path / "t.json"
    path.write_text(json.dumps(document, indent=indent))
    whole = read_kineto(path).activities
    assert len(whole) == 50
    for size in (1, 7, 100, 1000):
        monkeypatch.setattr("detbench.readers.kineto_events._BLOCK", size)
        assert read_kineto(path).activities.equals(whole)


def test_another_order_of_keys_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    events = [dict(sorted(event("k", i, 1).items())) for i in range(3)]
    path.write_text(json.dumps({"traceEvents": events}))
    assert len(read_kineto(path).activities) == 3


def test_many_blocks_in_the_profilers_order_or_any_other_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    make_kineto.write(path, 1500)
    timeline = read_kineto(path)
    (busy,) = compute.by_device(timeline, ["0"])["busy (%)"]
    assert busy == pytest.approx(make_kineto.busy_percent(1500))
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
    pd.testing.assert_frame_equal(read_kineto(path).activities, timeline.activities)


def test_bytes_that_are_no_utf_8_do_not_hide_the_times(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(json.dumps([event("name", 0, 5)]).encode().replace(b"name", b"na\xffe", 2))
    assert len(read_kineto(path).activities) == 1


def test_an_event_without_a_time_is_refused_with_its_place(tmp_path: Path) -> None:
    broken = event("k", 0, 5)
    del broken["dur"]
    path = write(tmp_path / "t.json.gz", event("ok", 0, 1), broken)
    with pytest.raises(BadFileError, match="event 1: 'k' has no usable time"):
        read_kineto(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(data=st.data())
def test_cut_anywhere_it_is_refused(trace: Path, data: st.DataObject) -> None:
    content = trace.read_bytes()
    cut = trace.with_name("cut.json.gz")
    cut.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(BadFileError):
        read_kineto(cut)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(place=st.integers(0, 300), byte=st.integers(0, 255))
def test_a_flipped_byte_never_ends_in_a_traceback(tmp_path: Path, place: int, byte: int) -> None:
    content = bytearray(json.dumps([event("k", 0, 5), event("j", 9, 5)]).encode())
    content[place % len(content)] = byte
    path = tmp_path / "flipped.json"
    path.write_bytes(content)
    try:
        timeline = read_kineto(path)
        compute.by_device(timeline, devices(timeline))
    except BadFileError:
        pass


def launches(*numbers: int, call: str = "cudaLaunchKernel") -> list[dict[str, Any]]:
    return [
        event(call, 10 * number, 2, "cuda_runtime") | {"args": {"correlation": number}}
        for number in numbers
    ]


def kernel(number: int) -> dict[str, Any]:
    return event("sgemm", 100, 10) | {
        "args": {"device": 0, "stream": 7, "context": 1, "correlation": number}
    }


def test_launches_whose_kernels_are_missing_are_counted(tmp_path: Path) -> None:
    (note,) = read_kineto(write(tmp_path / "t.json.gz", *launches(2, 3, 4), kernel(2))).notes
    assert note.startswith("2 of 3 launches of kernels have no kernel in the file")
    whole = write(tmp_path / "whole.json.gz", *launches(2), kernel(2))
    assert read_kineto(whole).notes == ()
    # What goes into a graph does not run yet.
    begin = launches(1, call="cudaStreamBeginCapture")
    captured = write(tmp_path / "c.json.gz", *begin, *launches(2, 3), kernel(2))
    assert read_kineto(captured).notes == ()


@pytest.mark.parametrize("call", ["cudaLaunchKernel", "cudaGraphLaunch", "hipModuleLaunchKernel"])
@pytest.mark.parametrize("more", [[], [event("aten::add", 0, 5, "cpu_op")]])
def test_launches_without_any_kernel_are_no_trace_of_a_cpu(
    parser: Run, tmp_path: Path, call: str, more: list[dict[str, Any]]
) -> None:
    path = write(tmp_path / "t.json.gz", *launches(2, 3, call=call), *more)
    words = "2 launches are recorded, their kernels are not: "
    assert_refused(parser("compute_util.py", path), 5, words)
