import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import detbench
from detbench.errors import BadFileError
from detbench.readers.dlprof import read_dlprof
from detbench.readers.timeline import TENSOR, KernelSums, Timeline
from detbench.utilization import compute
from tests.builders import (
    DLPROF_DATABASE,
    DLPROF_ITERATIONS,
    DLPROF_KERNELS,
    DLPROF_SUMMARY,
    DLPROF_TENSOR_CORES,
)
from tests.conftest import Run, assert_refused


def write(folder: Path, content: str) -> Path:
    path = folder / "dlprof.csv"
    path.write_text(content)
    return path


def test_the_kernel_report_is_a_summary(tmp_path: Path) -> None:
    found = read_dlprof(write(tmp_path, DLPROF_KERNELS))
    assert isinstance(found, KernelSums)
    assert list(found.kernels.itertuples(index=False, name=None)) == [
        ("volta_h884gemm_64x64", 3, 3000, "yes"),
        ("relu<int, float>", 2, 1000, "no"),
    ]
    table = compute.of_sums(found, "tensor").set_index(TENSOR)
    assert table.loc["yes", "share (%)"] == pytest.approx(75)


def test_the_iteration_report_is_a_timeline(parser: Run, tmp_path: Path) -> None:
    path = write(tmp_path, DLPROF_ITERATIONS)
    found = read_dlprof(path)
    assert isinstance(found, Timeline)
    assert found.ranges["name"].tolist() == ["iteration 1", "iteration 2"]
    assert found.ranges["start (ns)"].tolist() == [1000, 5000]
    assert found.ranges["duration (ns)"].tolist() == [3000, 3000]
    # Busy from 1000 to 4000 and from 5000 to 8000; of 7000 ns of kernels 5000 ns are on them.
    assert f"0,{100 * 6 / 7}" in parser("compute_util.py", path, "--format", "csv").stdout
    done = parser("compute_util.py", path, "--by", "tensor", "--format", "csv")
    assert f"0,yes,{100 * 5 / 7}" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Group Op Report\nName,Num Calls Aggregated\n", "DLProf's Group Op Report"),
        ("Tensor Core Report\nOp ID,Op Name\n", "no column Op Type, Uses TC"),
        ("System Config\nGPU Name(s),A, A\n", "no row All kernels, Kernels using TC"),
        (DLPROF_SUMMARY.replace("3000", "3001"), "its kernels do not add up"),
        (DLPROF_SUMMARY.replace("3000", "-3000"), "line 18: the row is damaged"),
        (DLPROF_TENSOR_CORES.replace(',1,"c"', ',1,""'), "the row is cut short"),
        (DLPROF_TENSOR_CORES[: DLPROF_TENSOR_CORES.index('"CONV')], "no kernel in it"),
        (DLPROF_KERNELS.replace("Uses TC", "TC"), "no column Uses TC"),
        (DLPROF_KERNELS.replace("yes", "maybe"), "neither yes nor no"),
        (
            DLPROF_KERNELS.replace("3000", "3.5"),
            "Total GPU Time (ns) in row 1: '3.5' is not a whole number",
        ),
        (DLPROF_KERNELS[: DLPROF_KERNELS.index('"volta')], "no kernel in it"),
        (
            DLPROF_ITERATIONS[: DLPROF_ITERATIONS.index("in layer")],
            "not CSV: unexpected end of data",
        ),
        (
            DLPROF_ITERATIONS[: DLPROF_ITERATIONS.rindex(",3000")],
            "the row is cut short",
        ),
    ],
)
def test_other_reports_and_damage_are_refused(
    parser: Run, tmp_path: Path, content: str, words: str
) -> None:
    assert_refused(parser("compute_util.py", write(tmp_path, content)), 5, words)


def test_a_cut_in_a_row_is_refused(tmp_path: Path) -> None:
    for content in (DLPROF_KERNELS, DLPROF_ITERATIONS):
        start = content.rindex("\n", 0, -1) + 1
        for end in range(start + 1, content.rindex(",")):
            with pytest.raises(BadFileError):
                read_dlprof(write(tmp_path, content[:end]))


def test_other_files_do_not_tell_of_tensor_cores(parser: Run, tmp_path: Path) -> None:
    content = "Time (%),Total Time (ns),Instances,Name\n100.0,3000,3,gemm\n"
    done = parser("compute_util.py", write(tmp_path, content), "--by", "tensor")
    assert_refused(done, 5, "does not say which kernels use Tensor Cores", "DLProf")


def test_the_summary_report_says_what_used_tensor_cores(tmp_path: Path) -> None:
    table = detbench.compute_utilization(write(tmp_path, DLPROF_SUMMARY), "tensor")
    assert table.set_index(TENSOR)["share (%)"].to_dict() == {"yes": 75, "no": 25}
    assert {
        "DLProf says: GPU Utilization 0.1 %",
        "DLProf says: Average Iteration Time (ns) 4500000.5",
        "DLProf counts different kernels here, not launches.",
    } <= set(table.attrs["notes"])


def test_the_tensor_core_report_has_operations(tmp_path: Path) -> None:
    path = write(tmp_path, DLPROF_TENSOR_CORES)
    found = detbench.read(path).tables["kernels"]
    assert list(found.itertuples(index=False, name=None)) == [
        ("CONV_1 (conv2d)", 2, 3000, "yes"),
        ("CONV_1 (conv2d)", 1, 1000, "no"),
        ("LINEAR_1 (linear)", 1, 500, "yes"),
    ]
    table = detbench.compute_utilization(path, "class").set_index("class")
    assert table.loc["conv", "share (%)"] == pytest.approx(100 * 4000 / 4500)
    assert "Rows are operations" in " ".join(table.attrs["notes"])


def database(folder: Path, script: str = DLPROF_DATABASE) -> Path:
    path = folder / "dlprof_dldb.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


def test_the_database_has_dlprofs_own_iterations(tmp_path: Path) -> None:
    found = detbench.read(database(tmp_path))
    assert (found.source.tool, found.source.version) == ("DLProf", "1.8.0")
    (row,) = detbench.compute_utilization(found).to_dict("records")
    # Of 10000 ns, kernels ran from 2000 to 5000 and 9000 to 11000; a copy from 5000 to 6000.
    assert (row["busy (%)"], row["busy with copies (%)"], row["kernels"]) == (50, 60, 3)
    table = detbench.compute_utilization(found, "tensor").set_index(TENSOR)
    assert table["total (ms)"].to_dict() == {"yes": 0.004, "no": 0.002}


def test_a_database_whose_schema_is_not_text_is_refused(tmp_path: Path) -> None:
    path = database(tmp_path)
    content = path.read_bytes().replace(b"CREATE TABLE dictionary", b"CREATE TABLX dictionary")
    path.write_bytes(content.replace(b"tabledictionary", b"table\xa2ictionary"))
    with pytest.raises(BadFileError, match="damaged"):
        detbench.read(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("delete from read_only_kernels", "a database of DLProf without any kernel"),
        ("update read_only_kernels set gpu_stop = 0 where id = 2", "activity 2: .* impossible"),
        ("update read_only_kernels set uses_tc = 7", "uses_tc is neither 0 nor 1"),
        ("update iteration_list set stop_time = 'x'", "damaged"),
    ],
)
def test_a_damaged_database_is_refused(tmp_path: Path, change: str, words: str) -> None:
    with pytest.raises(BadFileError, match=words):
        detbench.read(database(tmp_path, f"{DLPROF_DATABASE}; {change};"))
