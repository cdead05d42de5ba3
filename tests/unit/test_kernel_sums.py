from pathlib import Path

import pytest

from detbench.errors import BadFileError
from detbench.readers.timeline import KernelSums
from detbench.readers.timeline_file import read_timeline
from detbench.utilization import compute
from tests.builders import NSYS_SUMS, NVPROF_SUMS
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
