from pathlib import Path

import pytest

from detbench.errors import BadFileError
from detbench.readers.nvprof_metrics import read_nvprof_metrics
from detbench.utilization import levels
from tests.builders import NVPROF_LEVELS, NVPROF_LEVELS_TEXT
from tests.conftest import Run, assert_refused

UNIT = "tensor_precision_fu"


def write(folder: Path, content: str) -> Path:
    path = folder / "metrics.csv"
    path.write_text(content)
    return path


@pytest.mark.parametrize("content", [NVPROF_LEVELS, NVPROF_LEVELS_TEXT])
def test_levels_are_read_from_both_forms(tmp_path: Path, content: str) -> None:
    rows = read_nvprof_metrics(write(tmp_path, content)).itertuples(index=False, name=None)
    assert list(rows) == [
        ("0", "gemm(int)", UNIT, 3, 4, 10, 8),
        ("0", "relu(int)", UNIT, 1, 0, 0, 0),
    ]


def test_the_level_is_weighted_by_launches(tmp_path: Path) -> None:
    table = read_nvprof_metrics(write(tmp_path, NVPROF_LEVELS))
    (row,) = levels.by(table, "file").itertuples(index=False, name=None)
    assert row == (UNIT, pytest.approx((3 * 8 + 1 * 0) / 4), 0, 10, 4)
    assert levels.by(table, "class")["class"].tolist() == ["gemm", "elementwise"]
    assert levels.by(table, "kernel", top=1)["kernel"].tolist() == ["gemm(int)"]


def test_levels_are_never_called_percentages(parser: Run, tmp_path: Path) -> None:
    shown = parser("core_util.py", write(tmp_path, NVPROF_LEVELS)).stdout
    assert "0 (idle) to 10 (max), not percentages" in shown
    assert "%" not in shown
    assert_refused(
        parser("core_util.py", tmp_path / "metrics.csv", "--timeline", "x"),
        2,
        "has levels, not percentages",
    )


NOTHING = "==9== No events/metrics were profiled."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"==9== NVPROF is profiling process 9, command: ./a\n{NOTHING}\n", NOTHING),
        (
            NVPROF_LEVELS.replace("_fu_utilization", "").replace(" (", " ["),
            "none of nvprof's utilization",
        ),
        (
            NVPROF_LEVELS[: NVPROF_LEVELS.rindex(',"Idle')],
            "line 7: the row is cut short",
        ),
        (
            NVPROF_LEVELS[: NVPROF_LEVELS.rindex('"V (0)')],
            f"1 of 2 kernels have {UNIT}: cut short",
        ),
        (NVPROF_LEVELS.replace('"Max (10)"', "91.0%"), "line 5: the row is damaged"),
    ],
)
def test_damage_is_refused(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(BadFileError) as refusal:
        read_nvprof_metrics(write(tmp_path, content))
    assert words in str(refusal.value)
