from pathlib import Path

import pytest

from detbench.errors import BadFileError
from detbench.readers.dlprof import read_dlprof
from detbench.readers.timeline import TENSOR, KernelSums, Timeline
from detbench.utilization import compute
from tests.builders import DLPROF_ITERATIONS, DLPROF_KERNELS
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
        ("Tensor Core Report\nOp ID,Op Name\n", "DLProf's Tensor Core Report"),
        ("System Config\nGPU Name(s),A, A\n", "DLProf's System Config"),
        (DLPROF_KERNELS.replace("Uses TC", "TC"), "no column Uses TC"),
        (DLPROF_KERNELS.replace("yes", "maybe"), "neither yes nor no"),
        (
            DLPROF_KERNELS.replace("3000", "3.5"),
            "Total GPU Time (ns) is not a whole number in row 1",
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
