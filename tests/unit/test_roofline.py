"""The roofline: operations, traffic and shares of the card's peaks, computed by hand."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from detbench.gpus import counters
from detbench.gpus.peaks import Peaks
from detbench.reporting.charts.roofline import roofline_points
from detbench.utilization.roofline import beyond_peaks, roofline, uncounted
from tests.conftest import Run, assert_refused

FFMA, FADD = "ffma", "fadd"
PEAKS = Peaks(fp32=20e12, fp16=300e12, memory=2e12)


def sass(operation: str) -> str:
    return f"smsp__sass_thread_inst_executed_op_{operation}_pred_on.sum"


TENSOR = "sm__ops_path_tensor_src_fp16.sum"
LAUNCHES = pd.DataFrame(
    {
        "kernel": ["sgemm", "sgemm", "conv2d"],
        counters.DURATION: [1e6, 1e6, 4e6],  # ns
        "dram__bytes.sum": [1e9, 1e9, 4e9],
        sass(FFMA): [5e9, 5e9, 0.0],
        sass(FADD): [0.0, 2e9, 0.0],
        TENSOR: [0.0, 0.0, 600e9],
    }
)


def test_operations_traffic_and_shares_are_over_the_kernels_own_time() -> None:
    conv, gemm = roofline(LAUNCHES, PEAKS).to_dict("records")
    assert (gemm["class"], gemm["kernels"], gemm["time (ms)"]) == ("gemm", 2, 2.0)
    # 2 * 10e9 fused and 2e9 additions are 22 GFLOP in 2 ms over 2 GB.
    assert gemm["operations (GFLOP)"] == pytest.approx(22)
    assert gemm["intensity (FLOP/byte)"] == pytest.approx(11)
    assert gemm["rate (TFLOP/s)"] == pytest.approx(11)
    assert gemm["arithmetic peak (%)"] == pytest.approx(55)  # of 20 TFLOP/s
    assert gemm["bandwidth (GB/s)"] == pytest.approx(1000)
    assert gemm["bandwidth peak (%)"] == pytest.approx(50)
    assert conv["class"] == "conv"
    assert conv["rate (TFLOP/s)"] == pytest.approx(150)
    assert conv["arithmetic peak (%)"] == pytest.approx(50)  # of the Tensor Cores' 300 TFLOP/s


def test_a_share_without_a_peak_is_missing_and_the_rate_is_not() -> None:
    table = roofline(LAUNCHES, Peaks(fp32=20e12))
    assert pd.isna(table["arithmetic peak (%)"][0])
    assert table["rate (TFLOP/s)"][0] == pytest.approx(150)
    assert table["bandwidth peak (%)"].isna().all()
    assert table["arithmetic peak (%)"][1] == pytest.approx(55)


def test_reads_and_writes_add_up_where_a_chip_counts_them_apart() -> None:
    renamed = LAUNCHES.rename(columns={"dram__bytes.sum": "dram__bytes_op_read.sum"})
    table = roofline(renamed.assign(**{"dram__bytes_op_write.sum": 1e9}), PEAKS)
    assert table["traffic (GB)"].tolist() == [5.0, 4.0]


@pytest.mark.parametrize(
    ("missing", "said"),
    [(counters.DURATION, "gpu__time"), ("dram__bytes.sum", "dram__bytes"), ("", "operations")],
)
def test_without_its_counters_there_is_no_table(missing: str, said: str) -> None:
    operations = [sass(FFMA), sass(FADD), TENSOR]
    with pytest.raises(ValueError, match=said):
        roofline(LAUNCHES.drop(columns=[missing] if missing else operations), PEAKS)


def test_the_verb_prints_it_with_the_peaks_of_a_named_gpu(parser: Run, tmp_path: Path) -> None:
    log = tmp_path / "nsight_bs2.csv"
    cells = {counters.DURATION: ("nsecond", 2e6), "dram__bytes.sum": ("byte", 1e9)}
    cells[sass(FFMA)] = ("inst", 9.75e9)  # 19.5 GFLOP in 2 ms: half of an A100's 19.5 TFLOP/s
    rows = [f'"0","1","sgemm","{name}","{unit}","{n:.0f}"' for name, (unit, n) in cells.items()]
    header = '"ID","Process ID","Kernel Name","Metric Name","Metric Unit","Metric Value"'
    log.write_text("\n".join([header, *rows]) + "\n")
    options = ("--by", "roofline", "--gpu-profile", "A100-40GB", "--format", "csv")
    done = parser("core_util.py", log, *options)
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(line for line in done.stdout.splitlines() if not line.startswith("#"))
    assert float(row["arithmetic peak (%)"]) == pytest.approx(50)
    assert float(row["bandwidth (GB/s)"]) == pytest.approx(500)
    assert_refused(parser("core_util.py", log), 5, "gpc__cycles_elapsed")


def on_tensor_cores(percent: float, launches: pd.DataFrame) -> pd.DataFrame:
    return launches.assign(**{counters.TENSOR_ACTIVE: [0.0, 0.0, percent]})


def test_operations_that_nobody_counted_are_missing_and_not_few() -> None:
    lacking = on_tensor_cores(85.5, LAUNCHES.drop(columns=TENSOR))
    conv, gemm = roofline(lacking, PEAKS).to_dict("records")
    for column in ("operations (GFLOP)", "intensity (FLOP/byte)", "rate (TFLOP/s)",
                   "arithmetic peak (%)"):  # fmt: skip
        assert pd.isna(conv[column]), column
    assert conv["bandwidth (GB/s)"] == pytest.approx(1000)
    assert gemm["operations (GFLOP)"] == pytest.approx(22)  # it did not touch Tensor Cores
    (note,) = uncounted(lacking)
    assert "n/a" in note
    assert uncounted(on_tensor_cores(85.5, LAUNCHES)) == []
    assert uncounted(on_tensor_cores(0.0, LAUNCHES.drop(columns=TENSOR))) == []
    assert "too low" in uncounted(LAUNCHES.drop(columns=TENSOR))[0]


def test_a_few_operations_without_a_peak_decide_nothing() -> None:
    table = roofline(LAUNCHES.assign(**{sass("hfma"): [0.0, 4e7, 0.0]}), PEAKS)
    gemm = table.set_index("class").loc["gemm"]
    assert gemm["arithmetic peak (%)"] == pytest.approx(55)  # 0.08 of 22 GFLOP are constants
    many = roofline(LAUNCHES.assign(**{sass("hfma"): [0.0, 4e9, 0.0]}), PEAKS)
    assert pd.isna(many.set_index("class").loc["gemm", "arithmetic peak (%)"])


def test_a_share_above_its_peak_is_said_to_be_impossible() -> None:
    table = roofline(LAUNCHES, Peaks(fp32=10e12, tf32=300e12, fp16=300e12, memory=2e12))
    assert table["arithmetic peak (%)"][1] == pytest.approx(110)  # 22 GFLOP in 2 ms, of 10 TFLOP/s
    (note,) = beyond_peaks(table)
    assert note.startswith("arithmetic peak (%) above 100 cannot be: gemm.")


def test_classes_are_points_below_the_roofs_of_the_gpu() -> None:
    table = roofline(LAUNCHES, PEAKS).assign(run="a")
    *roofs, points = roofline_points(table, PEAKS).traces
    assert [roof["name"] for roof in roofs] == ["peak of fp32", "peak of fp16"]
    fp32 = roofs[0]
    # 20 TFLOP/s over 2 TB/s: the roof bends at 10 FLOP/byte.
    assert fp32["x"][1] == pytest.approx(10)
    assert fp32["y"][1:] == pytest.approx([20, 20])
    assert fp32["y"][0] == pytest.approx(2 * fp32["x"][0])  # 2 TB/s are 2 TFLOP/s at 1 FLOP/byte
    assert dict(zip(points["text"], zip(points["x"], points["y"], strict=True), strict=True)) == {
        "conv": (pytest.approx(150), pytest.approx(150)),
        "gemm": (pytest.approx(11), pytest.approx(11)),
    }
    assert "55 % of the arithmetic peak" in points["hovertext"][1]


def test_without_peaks_there_are_points_and_no_roof() -> None:
    table = roofline(LAUNCHES, Peaks()).assign(run="a")
    (points,) = roofline_points(table, Peaks()).traces
    assert points["text"] == ["conv", "gemm"]


def test_without_a_bandwidth_the_roofs_are_flat() -> None:
    table = roofline(LAUNCHES, Peaks(fp32=20e12)).assign(run="a")
    roof, _ = roofline_points(table, Peaks(fp32=20e12)).traces
    assert roof["y"] == pytest.approx([20, 20])
