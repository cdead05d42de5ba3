"""Snapshots of PyTorch's CUDA allocator, and the pickles in which they come."""

from __future__ import annotations

import copy
import json
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import detbench
from detbench.errors import BadFileError
from detbench.readers.memory_snapshot import read_snapshot
from detbench.readers.plain_pickle import NotPlainError, load_plain
from tests.builders import SNAPSHOT
from tests.conftest import Run, assert_refused


def write(folder: Path, snapshot: object, protocol: int = 4) -> Path:
    path = folder / "snapshot.pickle"
    path.write_bytes(pickle.dumps(snapshot, protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_peak_and_end(tmp_path: Path, protocol: int) -> None:
    found = read_snapshot(write(tmp_path, SNAPSHOT, protocol))
    (row,) = found.allocator.to_dict("records")
    assert row == {
        "device": "0",
        "peak (bytes)": 1000 + 2500 + 500,
        "peak event": 3,
        "peak time (s)": 0.002,
        "before (bytes)": 1000,
        "reserved at peak (bytes)": 4096,
        "requested at end (bytes)": 1500,
        "active at end (bytes)": 1536,
        "reserved at end (bytes)": 4096,
        "events": 6,
        "out of memory": 1,
        "note": "",
    }


def test_the_lines_that_allocated(tmp_path: Path) -> None:
    parts = read_snapshot(write(tmp_path, SNAPSHOT)).parts
    told = {(p, m): size for p, m, size in parts[["phase", "module", "bytes"]].to_numpy()}
    peak, end = "at event 3 of 6, 0.002 s after the first", "at the end"
    assert told == {
        (peak, "model.py:7 forward"): 2500,
        (peak, "(no line of Python)"): 500,
        (peak, "(before the recording)"): 1000,
        (peak, "(reserved, not requested)"): 96,
        (end, "(no line of Python)"): 500,
        (end, "(before the recording)"): 1000,
        (end, "(rounding of blocks)"): 36,
        (end, "(reserved, not requested)"): 2560,
    }


def test_the_timeline(tmp_path: Path) -> None:
    events = read_snapshot(write(tmp_path, SNAPSHOT)).events
    assert events["requested (bytes)"].tolist() == [1000, 3500, 4000, 4000, 4000, 1500]
    assert events["reserved (bytes)"].tolist() == [4096] * 6
    assert events["time (s)"].tolist() == [0, 0.001, 0.002, 0.0025, 0.0026, 0.003]


def test_what_the_verb_prints(parser: Run, tmp_path: Path) -> None:
    path = write(tmp_path, SNAPSHOT)
    text = parser("memory_util.py", path).stdout
    assert "PyTorch's CUDA allocator" in text
    assert "model.py:7 forward" in text
    picture = tmp_path / "timeline.png"
    done = parser("memory_util.py", path, "--timeline", picture, "--by", "phase")
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert detbench.read(path).source.tool == "PyTorch (allocator snapshot)"


def test_other_files_have_no_allocator(parser: Run, tmp_path: Path) -> None:
    path = tmp_path / "memory_bs1.csv"
    path.write_text(
        "iteration,phase,category,module,bytes\n3,forward,inputs,,7\n3,forward,total,,7\n"
    )
    done = parser("memory_util.py", path, "--by", "allocator")
    assert_refused(done, 5, "not a snapshot of PyTorch's CUDA allocator", "--by category")


def test_a_plain_replay_has_the_same_peak(tmp_path: Path) -> None:
    draw = random.Random(1)
    live: dict[int, int] = {address: draw.randrange(1, 10**6) for address in range(50)}
    now = sum(live.values())
    events: list[dict[str, Any]] = []
    totals = [now]
    for address in range(1000, 3000):
        if live and draw.random() < 0.5:
            freed = draw.choice(list(live))
            size = live.pop(freed)
            events.append({"action": "free_requested", "addr": freed, "size": size})
            events.append({"action": "free_completed", "addr": freed, "size": size})
            now -= size
        else:
            live[address] = draw.randrange(1, 10**6)
            now += live[address]
            events.append({"action": "alloc", "addr": address, "size": live[address]})
        totals.append(now)
    blocks = [
        {"address": a, "size": s, "requested_size": s, "state": "active_allocated"}
        for a, s in live.items()
    ]
    segment = {"total_size": 10**9, "active_size": now, "device": 0, "blocks": blocks}
    snapshot = {"segments": [segment], "device_traces": [events]}
    (row,) = read_snapshot(write(tmp_path, snapshot)).allocator.to_dict("records")
    assert (row["peak (bytes)"], row["requested at end (bytes)"]) == (max(totals), now)


def test_each_gpu_by_itself(tmp_path: Path) -> None:
    snapshot = copy.deepcopy(SNAPSHOT)
    other = copy.deepcopy(SNAPSHOT["segments"][0]) | {"device": 1}
    snapshot["segments"].append(other)  # without events
    found = read_snapshot(write(tmp_path, snapshot))
    assert found.allocator["peak (bytes)"].tolist() == [4000, 1500]
    assert found.allocator["events"].tolist() == [6, 0]
    assert "GPU 1, before the first event" in found.parts["phase"].tolist()


NO_TRACES = {name: value for name, value in SNAPSHOT.items() if name != "device_traces"}


@pytest.mark.parametrize(
    "snapshot",
    [NO_TRACES, NO_TRACES | {"device_traces": []}, NO_TRACES | {"device_traces": [[]]},
     SNAPSHOT["segments"]],  # what torch.cuda.memory.memory_snapshot() returns
)  # fmt: skip
def test_without_recorded_events_the_peak_is_unknown(
    tmp_path: Path, parser: Run, snapshot: object
) -> None:
    path = write(tmp_path, snapshot)
    done = parser("memory_util.py", path, "--by", "allocator", "--json")
    (row,) = json.loads(done.stdout)
    assert [row["peak (MiB)"], row["reserved then (MiB)"], row["out of memory"]] == [None] * 3
    assert row["requested at end (MiB)"] == pytest.approx(1500 / 2**20)
    assert "no event was recorded, so the peak is unknown" in row["note"]
    text = parser("memory_util.py", path)
    assert "The peak is unknown: 0.0 MiB at the end" in text.stdout
    assert "before the" not in text.stdout
    assert "GPU 0: no event was recorded" in text.stderr
    for row in json.loads(parser("memory_util.py", path, "--by", "module", "--json").stdout):
        assert row["note"].startswith("GPU 0: no event was recorded")


@pytest.mark.parametrize("snapshot", [SNAPSHOT, SNAPSHOT["segments"]])
@pytest.mark.parametrize("protocol", [0, 1, "JSON"])
def test_a_snapshot_that_is_not_read_is_named(
    tmp_path: Path, parser: Run, snapshot: object, protocol: int | str
) -> None:
    if isinstance(protocol, int):
        path, what = write(tmp_path, snapshot, protocol), "in a pickle of protocol 0 or 1"
    else:
        path, what = tmp_path / "snapshot.json", "as JSON"
        path.write_text(json.dumps(snapshot))
    done = parser("memory_util.py", path)
    assert_refused(done, 5, f"it is a memory snapshot of PyTorch {what}", "_dump_snapshot")


def test_events_of_an_unknown_action_are_counted(tmp_path: Path, parser: Run) -> None:
    snapshot = copy.deepcopy(SNAPSHOT)
    snapshot["device_traces"][0].append({"action": "borrow", "addr": 1, "size": 7})
    done = parser("memory_util.py", write(tmp_path, snapshot))
    assert "GPU 0: 1 of 7 events have an unknown action ('borrow')" in done.stderr


class _Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
def test_no_code_of_a_pickle_runs(parser: Run, tmp_path: Path, protocol: int) -> None:
    path = write(tmp_path, SNAPSHOT | {"segments": _Runs(tmp_path / "ran")}, protocol)
    with pytest.raises(NotPlainError):
        load_plain(path.read_bytes())
    assert_refused(parser("memory_util.py", path), 5)
    assert not (tmp_path / "ran").exists()


def test_a_place_in_memory_without_bounds_takes_none() -> None:
    # LONG_BINPUT: the loader would make room for four billion objects.
    with pytest.raises(NotPlainError, match="byte 3 of its pickle is damaged"):
        load_plain(b"\x80\x02}r\xff\xff\xff\xff.")


def change(path: tuple[Any, ...], value: object) -> dict[str, Any]:
    snapshot = copy.deepcopy(SNAPSHOT)
    at: Any = snapshot
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return snapshot


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        ({"model": {}}, "missing required field `segments`"),
        ([1, 2], "Expected `object`"),
        ({"segments": []}, "without any memory of a GPU"),
        (change(("segments", 0, "active_size"), 5), "do not add up to what is active"),
        (change(("segments", 0, "blocks", 0, "size"), -1), ">= 0"),
        (change(("segments", 0, "total_size"), 1 << 60), "segments"),
        (change(("device_traces", 0, 1, "size"), "2500"), "Expected `int`"),
        (change(("device_traces", 0, 1, "size"), 9000), "more memory freed than there was"),
    ],
)
def test_what_is_no_snapshot_is_refused(tmp_path: Path, snapshot: object, words: str) -> None:
    with pytest.raises(BadFileError, match=words):
        read_snapshot(write(tmp_path, snapshot))
