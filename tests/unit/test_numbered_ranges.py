"""Iterations by any name: ranges that differ in their numbers only."""

import json
import sqlite3
from pathlib import Path

import pytest

from detbench.readers.timeline import Timeline
from detbench.readers.timeline_file import read_timeline
from detbench.utilization import compute
from detbench.utilization.numbered_ranges import families, note_of
from tests.conftest import Run

NSYS = """
create table StringIds (id int, value text);
insert into StringIds values (1, 'gemm'), (2, 'from the table 1'), (3, 'from the table 2');
create table CUPTI_ACTIVITY_KIND_KERNEL
    ("start" int, "end" int, deviceId int, streamId int, correlationId int, demangledName int);
insert into CUPTI_ACTIVITY_KIND_KERNEL values (10, 30, 0, 7, 1, 1), (110, 180, 0, 7, 2, 1);
create table NVTX_EVENTS
    ("start" int, "end" int, eventType int, text text, textId int, globalTid int);
"""
# By push and pop (59), by start and end (60), and the same of the library NVTXT (70, 71).
PUSH_POP, START_END, TEXT_PUSH_POP = 59, 60, 70
_Range = tuple[int, int, int, str | None, int | None]


def nsys(folder: Path, *ranges: _Range) -> Timeline:
    path = folder / "t.sqlite"
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as database:
        database.executescript(NSYS)
        database.executemany("insert into NVTX_EVENTS values (?, ?, ?, ?, ?, 16777217)", ranges)
    database.close()
    found = read_timeline(path)
    assert isinstance(found, Timeline)
    return found


def two(first: str, second: str, kind: int = PUSH_POP) -> list[_Range]:
    """Two ranges, [0, 100) and [100, 200)."""
    return [(0, 100, kind, first, None), (100, 200, kind, second, None)]


@pytest.mark.parametrize("kind", [PUSH_POP, START_END, TEXT_PUSH_POP])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("step 29", "step 30"),
        ("iter_12", "iter_13"),
        ("Iteration: 5", "Iteration: 6"),
        ("epoch 0 batch 7", "epoch 0 batch 8"),
        ("train_step/5", "train_step/6"),
        ("ProfilerStep#3", "ProfilerStep#4"),
        ("Image 1", "Image 2"),
    ],
)
def test_ranges_of_any_numbered_name_are_iterations(
    tmp_path: Path, first: str, second: str, kind: int
) -> None:
    timeline = nsys(tmp_path, *two(first, second, kind))
    table = compute.by_iteration(timeline, ["0"])
    assert table["iteration"].tolist() == [first, second]
    assert table["busy (%)"].tolist() == [20, 70]


def test_names_of_the_table_of_strings_count_too(tmp_path: Path) -> None:
    ranges = [(0, 100, START_END, None, 2), (100, 200, START_END, None, 3)]
    table = compute.by_iteration(nsys(tmp_path, *ranges), ["0"])
    assert table["iteration"].tolist() == ["from the table 1", "from the table 2"]


def test_of_several_families_the_likeliest_is_taken_and_told(parser: Run, tmp_path: Path) -> None:
    timeline = nsys(
        tmp_path,
        (0, 200, PUSH_POP, "epoch 0", None),
        *two("step 1", "step 2"),
        *((100 * i, 100 * i + 50, PUSH_POP, f"batch_{i}", None) for i in (0, 1)),
        *(
            (start, start + 20, PUSH_POP, f"layer{start % 100}", None)
            for start in (1, 30, 101, 130)
        ),
    )
    # Both kernels began in `step N` and in `batch_N`, of which the steps are the outer ones.
    assert [family.name for family in families(timeline, "0")] == ["step N", "batch_N", "layerN"]
    assert note_of(timeline, "0") == (
        "iterations are the ranges 'step N' (2); also numbered: 'batch_N' (2), 'layerN' (4);"
        " --range NAME takes another"
    )
    path = tmp_path / "t.sqlite"
    done = parser("compute_util.py", path, "--by", "iteration", "--json")
    assert [row["iteration"] for row in json.loads(done.stdout)] == ["step 1", "step 2"]
    assert "iterations are the ranges 'step N' (2)" in done.stderr
    words = ("--by", "iteration", "--range", "batch_N", "--json")
    rows = json.loads(parser("compute_util.py", path, *words).stdout)
    # [10, 30) of [0, 50), and [110, 150) of [100, 150).
    assert [row["busy (%)"] for row in rows] == [40, 80]


def test_the_known_names_are_taken_without_a_word(tmp_path: Path) -> None:
    timeline = nsys(tmp_path, *two("iteration 3", "iteration 4"))
    assert note_of(timeline, "0") == ""
    assert len(compute.by_iteration(timeline, ["0"])) == 2


def test_ranges_that_are_not_numbered_are_none(tmp_path: Path) -> None:
    timeline = nsys(tmp_path, *two("forward", "forward"), (0, 9, PUSH_POP, "conv2d", None))
    with pytest.raises(ValueError, match="it names no iteration; --range takes the ranges of any"):
        compute.by_iteration(timeline, ["0"])
