"""What `nsys stats` and nvprof print: the same tables as CSV and as text."""

from pathlib import Path

import pytest

from detbench.errors import BadFileError
from detbench.readers.timeline import KernelSums, Timeline
from detbench.readers.timeline_file import read_timeline
from tests.builders import NSYS_SUMS_COLUMN, NSYS_TRACE, NSYS_TRACE_COLUMN, NVPROF_TEXT
from tests.conftest import Run, assert_refused

TRACE_TABLE = """
+------------+---------------+----------+------+----------------------+
| Start (us) | Duration (us) |  Device  | Strm |         Name         |
+------------+---------------+----------+------+----------------------+
|      1.000 |         1.000 | H100 (1) |    7 | void gemm<int, floa… |
|      1.500 |         2.000 | H100 (1) |    8 | relu                 |
|      5.000 |         0.300 | H100 (1) |    7 | [CUDA memset]        |
+------------+---------------+----------+------+----------------------+
"""
SUMS_2020 = """CUDA Kernel Statistics (nanoseconds)

Time(%)  Total Time  Instances  Average  Name
-------  ----------  ---------  -------  ------
  100.0        3000          3   1000.0  gemm_1

CUDA Memory Operation Statistics (nanoseconds)

Time(%)  Total Time  Operations  Average  Name
-------  ----------  ----------  -------  ------------------
  100.0        9000           9   1000.0  [CUDA memcpy HtoD]
"""
MIXED_CSV = """Time (%),Total Time (ns),Instances,Category,Operation
60.0,6000,2,CUDA_API,cudaLaunchKernel
30.0,3000,3,CUDA_KERNEL,gemm_1
10.0,1000,1,MEMORY_OPER,[CUDA memcpy HtoD]
"""
NVPROF_8 = """==42== Profiling result:
Time(%)      Time     Calls       Avg       Min       Max  Name
 80.00%  800.00us         1  800.00us  800.00us  800.00us  conv2d(float*, int)
 20.00%  200.00us         2  100.00us  100.00us  100.00us  [CUDA memset]

==42== API calls:
Time(%)      Time     Calls       Avg       Min       Max  Name
100.00%  9.0000ms         9  10.000us     100ns  9.0000ms  cudaMalloc
"""


def read(folder: Path, content: str) -> Timeline | KernelSums:
    path = folder / "printed.txt"
    path.write_text(content)
    return read_timeline(path)


def sums(folder: Path, content: str) -> list[tuple[object, ...]]:
    found = read(folder, content)
    assert isinstance(found, KernelSums)
    return list(found.kernels.itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("content", "origin"),
    [
        (NSYS_TRACE, 1_700_000_000_000_000_000),
        (NSYS_TRACE_COLUMN, 0),
        (TRACE_TABLE, 0),
    ],
)
def test_a_trace_is_a_timeline_in_every_form(tmp_path: Path, content: str, origin: int) -> None:
    found = read(tmp_path, content)
    assert isinstance(found, Timeline)
    table = found.activities
    assert (table["start (ns)"] - origin).tolist() == [1000, 1500, 5000]
    assert table["duration (ns)"].tolist() == [1000, 2000, 300]
    assert table["kind"].tolist() == ["kernel", "kernel", "copy"]
    assert table["device"].tolist() == ["1"] * 3
    assert table["stream"].tolist() == [7, 8, 7]


def test_a_trace_tells_utilization(parser: Run, tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(NSYS_TRACE + "1700000000000005900,100,4,None,H100 (1),1,7,late\n")
    # Busy from 1000 to 3500 and 5900 to 6000, in 5000 ns.
    done = parser("compute_util.py", path, "--format", "csv")
    assert "1,52.0," in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("content", "kernels"),
    [
        (NSYS_SUMS_COLUMN, [("gemm_1", 1003, 3000), ("relu", 1, 1000)]),
        (SUMS_2020, [("gemm_1", 3, 3000)]),
        (MIXED_CSV, [("gemm_1", 3, 3000)]),
        (MIXED_CSV + "\n" + NSYS_SUMS_COLUMN, [("gemm_1", 1003, 3000), ("relu", 1, 1000)]),
        (
            NVPROF_TEXT,
            [("conv2d(float*, int)", 3, 1_500_000), ("relu(float*)", 1, 250_000)],
        ),
        (NVPROF_8, [("conv2d(float*, int)", 1, 800_000)]),
    ],
)
def test_summaries_hold_kernels_only(
    tmp_path: Path, content: str, kernels: list[tuple[object, ...]]
) -> None:
    assert sums(tmp_path, content) == kernels


def test_a_trace_is_taken_before_a_summary(tmp_path: Path) -> None:
    assert isinstance(read(tmp_path, NSYS_SUMS_COLUMN + NSYS_TRACE_COLUMN), Timeline)


SKIPPED = "SKIPPED: x.sqlite does not contain GPU trace data."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"Processing [x.sqlite] with [gputrace.py]...\n{SKIPPED}\n", SKIPPED),
        (NSYS_TRACE[: NSYS_TRACE.index("17")], "no kernel in it"),
        (NSYS_TRACE.rstrip()[:-70], "line 5: the row is cut short"),
        (NSYS_TRACE_COLUMN.rstrip()[:-20], "line 8: the row is cut short"),
        (
            NSYS_TRACE_COLUMN.replace("      1,500", "     1500… "),
            "line 7: '1500…' is not a number",
        ),
        # One digit more or one blank fewer moves the rest of the row out of its columns.
        (SUMS_2020.replace("3000  ", "30000  "), "line 5: the row is not in line with its header"),
        (SUMS_2020.replace("   3  ", "  3  "), "line 5: the row is not in line"),
        (TRACE_TABLE.replace("8 |", "88 |"), "line 6: the row is not in line"),
        (TRACE_TABLE.replace("(us)", "(fs)"), "unknown unit of time: 'fs'"),
        (NSYS_SUMS_COLUMN.replace("1,003", "many "), "line 4: 'many' is not a number"),
        (
            NVPROF_TEXT[: NVPROF_TEXT.index("                   10.00%")],
            "line 4: 60 % is not its share of the rows here",
        ),
        (
            NVPROF_TEXT[: NVPROF_TEXT.index("250.00us  relu")],
            "line 6: the row is cut short",
        ),
        ("==42== Profiling result:\nNo kernels were profiled.\n", "No kernels were profiled."),
        (
            "==42== Profiling result:\n   Start  Duration   Grid Size  Device  Stream  Name\n",
            "line 2: its header has no Context",
        ),
        (
            '==1== Metric result:\n"Device","Kernel","Invocations","Metric Name"\n',
            "core_util.py reads",
        ),
    ],
)
def test_damage_and_nothing_are_refused(
    parser: Run, tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "printed.txt"
    path.write_text(content)
    assert_refused(parser("compute_util.py", path), 5, words)


@pytest.mark.parametrize(
    "content",
    [NSYS_TRACE, NSYS_TRACE_COLUMN, TRACE_TABLE, NVPROF_TEXT, NVPROF_8],
)
def test_a_file_that_ends_anywhere_is_read_whole_up_to_there_or_refused(
    tmp_path: Path, content: str
) -> None:
    rows = {str(row) for row in _rows(read(tmp_path, content))}
    for end in range(len(content)):
        try:
            cut = {str(row) for row in _rows(read(tmp_path, content[:end]))}
        except BadFileError:
            continue
        # The last name may be cut, which nothing tells.
        assert len(cut - rows) <= 1


def _rows(found: Timeline | KernelSums) -> list[tuple[object, ...]]:
    table = found.kernels if isinstance(found, KernelSums) else found.activities
    return list(table.itertuples(index=False, name=None))
