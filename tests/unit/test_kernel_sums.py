import csv
import io
import json
from contextlib import suppress
from pathlib import Path

import pytest

from detbench.api.files import read
from detbench.errors import BadFileError
from detbench.readers.timeline import KernelSums
from detbench.readers.timeline_file import read_timeline
from detbench.utilization import compute
from tests.builders import NSYS_SUMS, NSYS_TRACE, NVPROF_SUMS
from tests.conftest import Run, assert_refused


def sums(folder: Path, content: str) -> list[tuple[object, ...]]:
    path = folder / "sums.csv"
    path.write_text(content)
    found = read_timeline(path)
    assert isinstance(found, KernelSums)
    return list(found.kernels.itertuples(index=False, name=None))


def test_a_report_of_nsys_stats_among_others(tmp_path: Path) -> None:
    assert sums(tmp_path, NSYS_SUMS) == [("void gemm<int, float>(T1)", 3, 3000), ("relu", 1, 1000)]


def test_nvprofs_units_stand_under_its_header(tmp_path: Path) -> None:
    # Copies and calls of the API are no kernels.
    assert sums(tmp_path, NVPROF_SUMS) == [("conv2d(float*)", 3, 1_500_000)]


def test_shares_are_of_the_summed_time(tmp_path: Path) -> None:
    path = tmp_path / "sums.csv"
    path.write_text(NSYS_SUMS)
    found = read_timeline(path)
    assert isinstance(found, KernelSums)
    table = compute.of_sums(found, "class").set_index("class")
    assert table.loc["gemm", "share (%)"] == pytest.approx(75)
    assert table.loc["gemm", "mean (us)"] == pytest.approx(1)


def test_a_summary_tells_no_utilization(parser: Run, tmp_path: Path) -> None:
    path = tmp_path / "sums.csv"
    path.write_text(NSYS_SUMS)
    assert "a summary: no utilization" in parser("compute_util.py", path).stdout
    assert_refused(parser("compute_util.py", path, "--by", "device"), 5, "no table by device")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (NSYS_SUMS.replace(",0.0,relu", ""), "line 4: the row is cut short"),
        (NSYS_SUMS.replace("25.0,1000,1", "25.0,many,1"), "line 4: 'many' is not a number"),
        (NVPROF_SUMS.replace("%,ms", "%,parsec"), "unknown unit of time: 'parsec'"),
        (NSYS_SUMS[: NSYS_SUMS.index("75.0")], "no kernel in it"),
    ],
)
def test_damage_is_refused(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(BadFileError, match=words):
        sums(tmp_path, content)


# As nsys writes it, a row a thread: 2 x 1000.5 ns, and 999 ns.
KERN_EXEC = """PID,TID,DevId,Count,QCount,TAvg (ns),AAvg (ns),QAvg (ns),KAvg (ns),API Name,\
Kernel Name
1,1,0,2,2,6000.0,3000.0,2000.0,1000.5,cudaLaunchKernel,"void gemm<int, float>(T1)"
1,2,0,1,0,6000.0,3000.0,,999.0,cudaLaunchKernel,"void gemm<int, float>(T1)"
1,1,0,1,0,6000.0,3000.0,,1000.0,cudaLaunchKernel,relu
"""
BY_GRID = """Time (%),Total Time (ns),Instances,Avg (ns),GridXYZ,BlockXYZ,Name
75.0,3000,3,1000.0,  80    1    1, 128    1    1,"void gemm<int, float>(T1)"
25.0,1000,1,1000.0,  80    1    1, 256    1    1,relu
"""
KERNELS = [("void gemm<int, float>(T1)", 3, 3000), ("relu", 1, 1000)]


def as_json(report: str, indent: int | None = 2) -> str:
    """A CSV report in nsys's other form: numbers are numbers, an empty cell is null."""
    rows = [
        {name: _value(cell) for name, cell in row.items()}
        for row in csv.DictReader(io.StringIO(report), skipinitialspace=True)
    ]
    return json.dumps(rows, indent=indent) + "\n"


def _value(cell: str) -> object:
    with suppress(ValueError):
        return float(cell) if "." in cell else int(cell)
    return cell or None


ONE_REPORT = NSYS_SUMS[NSYS_SUMS.index("Time") : NSYS_SUMS.index("\n\n") + 1]
CALLS = '[\n  {\n    "Time (%)": 100.0,\n    "Num Calls": 9,\n    "Name": "cudaLaunch"\n  }\n]\n'
AROUND = "[5/8] Executing 'cuda_gpu_kern_sum' stats report\nProcessing [x] with [y.py]...\n"


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("before", ["", AROUND, CALLS, AROUND + CALLS + "\n" + AROUND])
def test_json_is_read_alone_joined_and_behind_other_lines(
    tmp_path: Path, before: str, indent: int | None
) -> None:
    assert sums(tmp_path, before + as_json(ONE_REPORT, indent)) == KERNELS
    assert read(tmp_path / "sums.csv").source.tool == "Nsight Systems (nsys stats)"


def test_json_of_a_trace_is_a_timeline(tmp_path: Path) -> None:
    trace = NSYS_TRACE[NSYS_TRACE.index("Start") :]
    path = tmp_path / "trace.json"
    path.write_text(as_json(trace))
    table = read_timeline(path).activities  # type: ignore[union-attr]
    assert (table["start (ns)"] - 1_700_000_000_000_000_000).tolist() == [1000, 1500, 5000]
    assert table["kind"].tolist() == ["kernel", "kernel", "copy"]


@pytest.mark.parametrize("content", [KERN_EXEC, as_json(KERN_EXEC)])
def test_a_report_of_launches_has_means_of_kernels(
    parser: Run, tmp_path: Path, content: str
) -> None:
    gemm, again, relu = sums(tmp_path, content)
    # 2 x 1000.5 and 999.
    assert (gemm[1:], again[1:], relu) == ((2, 2001), (1, 999), ("relu", 1, 1000))
    done = parser("compute_util.py", tmp_path / "sums.csv", "--by", "kernel", "--json")
    assert [row["total (ms)"] for row in json.loads(done.stdout)] == [0.003, 0.001]
    assert "Kernels whose launch was not recorded are in no row" in done.stderr


def test_of_several_reports_about_the_same_kernels_one_counts(tmp_path: Path) -> None:
    assert sums(tmp_path, BY_GRID) == KERNELS
    reports = [KERN_EXEC, BY_GRID, ONE_REPORT]
    assert sums(tmp_path, "\n".join(reports)) == KERNELS
    by_short_names = ONE_REPORT.replace("void gemm<int, float>(T1)", "gemm")
    assert sums(tmp_path, f"{ONE_REPORT}\n{by_short_names}") == KERNELS


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("NVTX Range,Style,PID,TID,NVTX Inst,Kern Inst,Total Time (ns),Kernel Name", "nvtx_kern"),
        ("Range,Style,Total Proj Time (ns),Total Range Time (ns)", "nvtx_gpu_proj_sum"),
        ("Name,Projected Start (ns),Projected Duration (ns),Style", "nvtx_gpu_proj_trace"),
        ("API Start (ns),API Dur (ns),Kernel Start (ns),Kernel Name", "cuda_kern_exec_trace"),
        ("Time (%),Total Time (ns),Num Calls,Avg (ns),Name", "a summary of calls"),
        ("Time (%),Total Time (ns),Instances,Source,Name", "a summary of MPI"),
    ],
)
def test_other_reports_are_refused_by_name(
    parser: Run, tmp_path: Path, header: str, words: str
) -> None:
    row = ",".join("1.0" for _ in header.split(","))
    path = tmp_path / "report.csv"
    for content in (f"{header}\n{row}\n", as_json(f"{header}\n{row}\n")):
        path.write_text(content)
        done = parser("compute_util.py", path)
        assert_refused(done, 5, words)
        assert "ask for the whole timeline: nsys export --type sqlite" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"Instances": 3', '"Instances": "many"', "line 2: 'many' is not a number"),
        ('"Instances": 1', '"Number": 1', "line 13: the row has other columns"),
        ("\n]", "", "from line 1: the JSON is cut short or damaged"),
        ('"Total Time (ns)": 1000,', '"Total Time (ns)": 9000,', "is not its share"),
    ],
)
def test_damaged_json_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    content = as_json(ONE_REPORT)
    assert old in content
    with pytest.raises(BadFileError, match=words):
        sums(tmp_path, content.replace(old, new))


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_of_other_objects_is_not_of_nsys(
    parser: Run, tmp_path: Path, indent: int | None
) -> None:
    path = tmp_path / "times.json"
    path.write_text(json.dumps([{"iteration": 19, "time": 0.2}] * 2, indent=indent))
    with pytest.raises(BadFileError, match="its format is unknown"):
        read(path)
    assert "nsys" not in parser("compute_util.py", path).stderr


IN_CELLS = """Time(%),Time,Calls,Avg,Min,Max,Name
69.00%,1.38s,45,30.667ms,30.007ms,31.110ms,[CUDA memcpy HtoD]
30.99%,619.80ms,150,4.1320ms,4.1103ms,4.2174ms,red_sor(float*)
0.01%,200.00us,1,200.00us,200.00us,200.00us,"init(int, float*)"
"""


def test_units_may_stand_in_every_cell(tmp_path: Path) -> None:
    assert sums(tmp_path, IN_CELLS) == [
        ("red_sor(float*)", 150, 619_800_000),
        ("init(int, float*)", 1, 200_000),
    ]
    for old, new in (("619.80ms", "619.80"), ("30.99%", "30.99"), ("619.80ms", "61.98ms")):
        with pytest.raises(BadFileError):
            sums(tmp_path, IN_CELLS.replace(old, new))


def test_tables_of_several_programs_are_added_with_a_note(parser: Run, tmp_path: Path) -> None:
    path = tmp_path / "sums.csv"
    path.write_text(f"{ONE_REPORT}\n{ONE_REPORT.replace(',3000,3,', ',3000,6,')}")
    done = parser("compute_util.py", path, "--by", "kernel", "--json")
    assert sum(row["count"] for row in json.loads(done.stdout)) == 3 + 1 + 6 + 1
    assert "2 tables of kernels in the file, added" in done.stderr
    path.write_text(f"{ONE_REPORT}\n{ONE_REPORT}")
    assert "added" not in parser("compute_util.py", path).stderr
