"""nvprof's GPU trace as text: the timeline, in whatever it is printed among."""

from __future__ import annotations

from pathlib import Path

import pytest

from detbench.errors import BadFileError
from detbench.readers.timeline import Timeline
from detbench.readers.timeline_file import read_timeline
from tests.builders import NVPROF_TRACE_TEXT, NVPROF_TRACE_TEXT_HEADER, nvprof_row
from tests.unit.in_process import detbench as run

ROW = nvprof_row("100.00us", "100.00us", "sgemm_128x64 [101]")


def read(folder: Path, content: str | bytes) -> Timeline:
    path = folder / "printed.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = read_timeline(path)
    assert isinstance(found, Timeline)
    return found


def table(*rows: str) -> str:
    return NVPROF_TRACE_TEXT_HEADER + "".join(rows)


def test_it_tells_utilization_classes_and_kernels(tmp_path: Path) -> None:
    path = tmp_path / "run.out"
    path.write_text(NVPROF_TRACE_TEXT)
    (device,) = run("compute-util", path, "--by", "device", "--json").rows()
    # Kernels ran in 100 to 250 and 450 to 600 us, of 100 to 600; the copy in 200 to 240.
    assert (device["busy (%)"], device["busy (ms)"], device["window (ms)"]) == (60, 0.3, 0.5)
    kernels = run("compute-util", path, "--by", "kernel", "--json").rows()
    assert {row["kernel"]: (row["count"], row["total (ms)"]) for row in kernels} == {
        "void relu<int>(float*, int)": (2, 0.25),
        "sgemm_128x64": (1, 0.1),
    }


@pytest.mark.parametrize(
    "words",
    [
        b"[5/8] Executing 'gputrace'\n[[1 2] [3 4]]\n",
        b"{'loss': 0.5}\n",
        b'{"epoch": 1, "loss": 0.5}\n',
        b"[{'loss': 0.5}]\n",
        b"[]\n",
        b" 10%|#         | 1/10\r 20%|##        | 2/10\r",
        b"\x1b[32mINFO\x1b[0m training\n\x1b[K\x1b[1;31m",
    ],
    ids=["brackets", "dict", "JSON", "list", "empty list", "progress bar", "colours"],
)
def test_what_the_program_printed_before_it_does_not_matter(tmp_path: Path, words: bytes) -> None:
    found = read(tmp_path, words + NVPROF_TRACE_TEXT.encode()).activities
    assert found["start (ns)"].tolist() == [100_000, 150_000, 200_000, 450_000]
    assert found["duration (ns)"].tolist() == [100_000, 100_000, 40_000, 150_000]
    assert found["kind"].tolist() == ["kernel", "kernel", "copy", "kernel"]
    assert found["stream"].tolist() == [7, 8, 7, 7]


def test_lines_of_the_program_within_it_are_passed_over(tmp_path: Path) -> None:
    content = table(ROW, "step 2: loss 0.1\n", nvprof_row("300.00us", "1.0000ms", "relu [102]"))
    assert len(read(tmp_path, content).activities) == 2


def test_calls_on_the_cpu_and_page_faults_are_no_work_of_a_gpu(tmp_path: Path) -> None:
    content = table(
        nvprof_row("90.00us", "5.0000us", "cudaLaunchKernel (sgemm [101])", "-", "-", "-"),
        nvprof_row("91.00us", "-", "[Unified Memory CPU page faults]", "-", "-"),
        ROW,
    )
    found = read(tmp_path, content).activities
    assert found["name"].tolist() == ["sgemm_128x64"]


def test_short_kernels_that_seem_to_begin_at_once_follow_one_another(tmp_path: Path) -> None:
    # Behind 1 s nvprof prints 10 us: three kernels of 4 us on a stream, one on another.
    rows = [nvprof_row("1.22112s", "4.0000us", f"add [{number}]") for number in (1, 2, 3)]
    found = read(tmp_path, table(*rows, nvprof_row("1.22112s", "4.0000us", "add [4]", "8")))
    begin = 1_221_120_000
    assert (found.activities["start (ns)"] - begin).tolist() == [0, 4000, 8000, 0]
    assert "2 of 4 follow the end of the one before" in found.note


def test_an_overlap_that_is_not_rounding_stays(tmp_path: Path) -> None:
    found = read(tmp_path, table(ROW, nvprof_row("120.00us", "1.0000us", "relu [102]")))
    assert found.activities["start (ns)"].tolist() == [100_000, 120_000]
    assert found.note == ""


def test_gpus_whose_number_is_cut_off_are_told_apart_by_their_contexts(tmp_path: Path) -> None:
    other = nvprof_row("100.00us", "50.000us", "relu [102]", context="2")
    found = read(tmp_path, table(ROW, other))
    assert found.activities["device"].tolist() == [
        "Tesla P100-PCIE, context 1",
        "Tesla P100-PCIE, context 2",
    ]
    assert "its contexts are taken for GPUs of their own" in found.note


def test_a_device_with_its_number_is_that_number(tmp_path: Path) -> None:
    rows = [nvprof_row("1us", "1us", f"a [{n}]", context=str(n), device=f"Tesla K40c ({n % 2})")
            for n in (1, 2)]  # fmt: skip
    assert read(tmp_path, table(*rows)).activities["device"].tolist() == ["1", "0"]


def test_older_versions_have_fewer_columns(tmp_path: Path) -> None:
    content = table(ROW).replace("       SrcMemType", "").replace("                -", "")
    assert "SrcMemType" not in content
    assert len(read(tmp_path, content).activities) == 1


CALLS = "==7== Profiling result:\n   Start  Duration  Name\n90.00us  5.0000us  cudaMalloc\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (CALLS, "nvprof's trace of calls on the CPU: nvprof --print-gpu-trace has kernels"),
        (table(), "no kernel in it"),
        (table(nvprof_row("1us", "1us", "[CUDA memset]")), "no kernel in it"),
        (table(ROW)[:-20], "line 2: the row is cut short"),
        (table(ROW, ROW.replace(" [101]", " [1")), "line 3: the row is cut short"),
        (table(ROW, ROW), "line 3: the row repeats line 2"),
        (table(ROW.replace("  100.00us         100", "           x         100")), "line 2"),
        (table(ROW[40:], ROW), "line 2: the row is cut short"),
        (table(ROW.replace("100.00us  ", "100.00fs  ")), "'100.00fs' is not a time"),
        (table(ROW.replace("100.00us  ", "999999999s  ")), "is out of range"),
        (
            f"==7== Profiling result:\n{table(ROW)}\n==8== Profiling result:\n{table(ROW)}",
            "the traces of several processes, each with times from a begin of its own",
        ),
    ],
)  # fmt: skip
def test_damage_and_nothing_are_refused(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(BadFileError) as refused:
        read(tmp_path, content)
    assert words in str(refused.value)


def test_a_trace_beside_calls_and_a_summary_is_what_is_read(tmp_path: Path) -> None:
    assert len(read(tmp_path, CALLS + NVPROF_TRACE_TEXT).activities) == 4
