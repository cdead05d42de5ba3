import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detbench.errors import BadFileError
from detbench.readers.timeline import Timeline
from detbench.readers.timeline_file import read_timeline
from detbench.utilization import compute
from detbench.utilization.window import devices
from tests.builders import NSYS_TABLES, NVPROF_TABLES, NVPROF_TRACE


def read(path: Path) -> Timeline:
    found = read_timeline(path)
    assert isinstance(found, Timeline)
    return found


Make = Callable[[str], Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def database(script: str) -> Path:
        path = tmp_path / "nsys_bs2.sqlite"
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as connection:
            connection.executescript(script)
        connection.close()
        return path

    return database


def test_our_iteration_ranges_are_the_window(make: Make) -> None:
    first, second = compute.by_device(read(make(NSYS_TABLES)), ["0", "1"]).to_dict("records")
    # Of [0, 500): [100, 250) on device 0, with the copy 50 more; [100, 400) on device 1.
    assert (first["busy (%)"], first["busy with copies (%)"]) == (30, 40)
    assert second["busy (%)"] == 60
    assert (first["window"], first["iterations"]) == ("profiled iterations", 1)


def test_names_come_from_the_strings_and_a_missing_one_is_its_number(make: Make) -> None:
    script = NSYS_TABLES.replace("(1, 'sgemm'), ", "")
    names = compute.by_name(read(make(script)), ["0"], "kernel")["kernel"]
    assert set(names) == {"#1", "conv"}


def test_ranges_without_an_end_and_other_events_are_none(make: Make) -> None:
    assert read(make(NSYS_TABLES)).ranges["name"].tolist() == ["iteration 5", "ncclSend"]


def test_a_table_of_a_newer_version_is_found(make: Make) -> None:
    script = NSYS_TABLES.replace("CUPTI_ACTIVITY_KIND_KERNEL", "CUPTI_ACTIVITY_KIND_KERNEL_V3")
    assert devices(read(make(script))) == ["0", "1"]


def test_a_file_of_nvprof(make: Make) -> None:
    row = compute.by_device(read(make(NVPROF_TABLES)), ["0"]).iloc[0]
    assert row["busy (%)"] == 50  # 20 of 40
    assert row["window"] == "first to last kernel"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            NSYS_TABLES,
            "create table StringIds (id int, value text)",
            "CUDA was not traced, or not used",
        ),
        (NSYS_TABLES, "create table other (x int)", "neither an export of Nsight Systems"),
        (NSYS_TABLES, NSYS_TABLES + "delete from CUPTI_ACTIVITY_KIND_KERNEL;", "no kernel in it"),
        ("deviceId int, streamId int, correlationId", "device int, streamId int, c", "no column"),
        ("(100, 200, 0, 7, 1, 1)", "(200, 100, 0, 7, 1, 1)", "ends before it starts"),
        ("(100, 200, 0, 7, 1, 1)", "('soon', 200, 0, 7, 1, 1)", "is not a whole number"),
        ("(100, 200, 0, 7, 1, 1)", "(null, 200, 0, 7, 1, 1)", "is not a whole number"),
    ],
)
def test_what_cannot_be_read_is_refused(make: Make, old: str, new: str, words: str) -> None:
    with pytest.raises(BadFileError, match=words):
        read(make(NSYS_TABLES.replace(old, new)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_damage_anywhere_is_a_table_or_a_refusal(make: Make, data: st.DataObject) -> None:
    content = bytearray(make(NSYS_TABLES).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = make(NSYS_TABLES).with_name("damaged.sqlite")
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        timeline = read(path)
    except BadFileError:
        return
    compute.by_device(timeline, devices(timeline))


def test_an_nvprof_trace_in_csv_has_units_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(NVPROF_TRACE)
    timeline = read(path)
    assert timeline.activities["name"].tolist()[1:] == ["void k<float>(int, float)", "sgemm"]
    row = compute.by_device(timeline, ["0"]).iloc[0]
    assert row["busy (%)"] == 50  # 1 ms of the 2 ms from the first kernel to the last one's end
    assert row["kernels"] == 2


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (NVPROF_TRACE[-20:], "", "line 7: the row is cut short"),
        ("ms,us", "ms,parsec", "Duration has an unknown unit: 'parsec'"),
        ("3.500000", "soon", "'soon' is not a number"),
        (NVPROF_TRACE[NVPROF_TRACE.index("2.000") :], "", "no kernel in it"),
    ],
)
def test_a_damaged_nvprof_trace_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(NVPROF_TRACE.replace(old, new))
    with pytest.raises(BadFileError, match=words):
        read(path)


GRAPHS = """
create table CUPTI_ACTIVITY_KIND_GRAPH_TRACE
    ("start" int, "end" int, deviceId int, streamId int, correlationId int);
insert into CUPTI_ACTIVITY_KIND_GRAPH_TRACE values (300, 450, 0, 7, 90);
"""


def test_a_cuda_graph_keeps_the_gpu_busy(make: Make) -> None:
    timeline = read(make(NSYS_TABLES + GRAPHS))
    (row,) = compute.by_device(timeline, ["0"]).to_dict("records")
    # [100, 250) as before, and the graph's [300, 450): 300 of 500.
    assert row["busy (%)"] == 60
    assert timeline.notes[0].startswith("CUDA graphs are a row each (1)")
    classes = compute.by_name(timeline, ["0"], "class").set_index("class")
    assert classes.loc["CUDA graph", "total (ms)"] == pytest.approx(150e-6)


def test_an_activity_without_times_is_left_out_and_counted(make: Make) -> None:
    zero = "insert into CUPTI_ACTIVITY_KIND_KERNEL select 0, 0, "
    before = read(make(NSYS_TABLES))
    columns = "select * from CUPTI_ACTIVITY_KIND_KERNEL limit 1"
    with sqlite3.connect(make(NSYS_TABLES)) as connection:
        names = [d[0] for d in connection.execute(columns).description]
    connection.close()
    rest = ", ".join(f'"{name}"' for name in names if name not in ("start", "end"))
    order = [
        *(n for n in names if n in ("start", "end")),
        *(n for n in names if n not in ("start", "end")),
    ]
    assert order[:2] == ["start", "end"]
    script = f"{zero}{rest} from CUPTI_ACTIVITY_KIND_KERNEL limit 1;"
    into = ", ".join(f'"{name}"' for name in order)
    timeline = read(
        make(NSYS_TABLES + script.replace("KERNEL select", f"KERNEL ({into}) select", 1))
    )
    assert len(timeline.activities) == len(before.activities)
    assert timeline.notes == ("without times, as these could not be collected, and left out: 1",)


RUNTIME = """
create table CUPTI_ACTIVITY_KIND_RUNTIME (start int, end int, globalTid int, correlationId int,
    nameId int);
insert into StringIds values (90, 'cudaLaunchKernel_v7000');
insert into CUPTI_ACTIVITY_KIND_RUNTIME values {};
"""


def calls(*correlations: int) -> str:
    return RUNTIME.format(", ".join(f"({n}, {n + 1}, 0, {n}, 90)" for n in correlations))


def test_launches_without_any_kernel_are_counted(make: Make) -> None:
    script = NSYS_TABLES + calls(1, 2, 3) + "delete from CUPTI_ACTIVITY_KIND_KERNEL;"
    with pytest.raises(
        BadFileError, match="3 launches are recorded, their kernels are not"
    ) as told:
        read(make(script))
    assert "runs on a GPU" not in str(told.value)


def test_a_launch_counts_if_a_later_one_has_its_kernel(make: Make) -> None:
    one = """
delete from CUPTI_ACTIVITY_KIND_KERNEL;
insert into CUPTI_ACTIVITY_KIND_KERNEL values (100, 200, 0, 7, {}, 1);
"""
    tables = NSYS_TABLES + calls(41, 42, 43)
    # The last launch's kernel was waiting when the recording ended.
    (note,) = read(make(tables + one.format(42))).notes
    assert note.startswith("1 of 2 launches of kernels have no kernel in the file")
    assert read(make(tables + one.format(41))).notes == ()
