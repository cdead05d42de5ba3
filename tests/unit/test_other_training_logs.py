"""Logs of maskrcnn-benchmark and mmdetection, each read by its own rules."""

from pathlib import Path

import pandas as pd
import pytest

import detbench
from detbench.errors import BadFileError
from detbench.readers.training_log import TrainingLog, read_training_log
from detbench.utilization.throughput import throughput
from tests.builders import (
    DETECTRON2_LOG,
    MMDET_3_JSON,
    MMDET_3_LOG,
    MMDET_JSON,
    MMDET_LOG,
    MRCNN_BENCHMARK_LOG,
)


def log(folder: Path, content: str) -> TrainingLog:
    path = folder / "a.log"
    path.write_text(content)
    return read_training_log(path)


@pytest.mark.parametrize(
    ("content", "tool"),
    [
        (MRCNN_BENCHMARK_LOG, "maskrcnn-benchmark"),
        (MMDET_LOG, "mmdetection (log)"),
        (MMDET_LOG.replace(" - mmdet - ", " - "), "mmdetection (log)"),  # 1.x
        (MMDET_3_LOG, "mmdetection (log)"),
        (MMDET_JSON, "mmdetection (JSON)"),
        (MMDET_3_JSON, "mmdetection (JSON)"),
        (DETECTRON2_LOG, "detectron2 (log.txt)"),
    ],
)
def test_each_is_taken_for_what_it_is(tmp_path: Path, content: str, tool: str) -> None:
    path = tmp_path / "any_name"
    path.write_text("2020-01-01 the program's own word\n" * (content[0] != "{") + content)
    found = detbench.read(path)
    assert (found.kind, found.source.tool) == ("training history", tool)


def test_the_mean_in_brackets_counts_not_the_median(tmp_path: Path) -> None:
    found = throughput(log(tmp_path, MRCNN_BENCHMARK_LOG), batch_size=4, warmup=10)
    # 30 x 0.5833 s less 10 x 1 s, for 20 iterations; each waited 0.1 s.
    assert found.mean_seconds == pytest.approx(7.499 / 20)
    assert found.images_per_second == pytest.approx(80 / 7.499)
    assert found.data_wait_percent == pytest.approx(100 * 20 * 0.1 / 7.499)
    assert (found.first_iteration, found.last_iteration) == (10, 29)


def test_a_mean_that_starts_anew_is_a_restart(tmp_path: Path) -> None:
    # A process of 0.2 s, then 0.5 and 0.3 s an iteration: its mean would fit the first one's, too,
    # if the clock had gone on for half a minute.
    later = MRCNN_BENCHMARK_LOG.replace("2020-03-01", "2020-03-02")
    for old, new in (("iter: 10 ", "iter: 40 "), ("iter: 20 ", "iter: 50 "), ("r: 30 ", "r: 60 ")):
        later = later.replace(old, new)
    for old, new in (("(1.0000)", "(0.2000)"), ("(0.7500)", "(0.3500)"), ("(0.5833)", "(0.3333)")):
        later = later.replace(old, new)
    found = log(tmp_path, MRCNN_BENCHMARK_LOG + later)
    assert found.num_restarts == 1
    assert found.reports["time (s)"].tolist() == pytest.approx([10, 5, 2.499, 2, 5, 2.999])
    assert "no line announces 1 of the restarts" in found.notes[0]


def test_only_the_solvers_batch_size_is_the_trainings(tmp_path: Path) -> None:
    config = "SOLVER:\n  IMS_PER_BATCH: 16\nTEST:\n  IMS_PER_BATCH: 8\n"
    assert log(tmp_path, config + MRCNN_BENCHMARK_LOG).batch_size == 16


@pytest.mark.parametrize("content", [MMDET_LOG, MMDET_3_LOG])
def test_an_epochs_last_iterations_have_no_report(tmp_path: Path, content: str) -> None:
    found = log(tmp_path, content)
    # Of 14 iterations the 7th is in no report of mmdetection's.
    assert found.reports["iteration"].tolist() == [2, 5, 9, 12]
    assert found.reports["iterations"].tolist() == [3, 3, 3, 3]
    speed = throughput(found, batch_size=2, warmup=1)
    assert speed.mean_seconds == pytest.approx((1 + 0.5 + 0.4) / 3)
    assert speed.images_per_second == pytest.approx(2 * 9 / (3 + 1.5 + 1.2))
    assert speed.data_wait_percent == pytest.approx(100 * 9 * 0.1 / 5.7)
    assert (speed.num_iterations, speed.num_untimed) == (9, 1)
    assert found.curves["total_loss"].tolist() == [1.7645] * 4


def test_json_of_2_does_not_tell_an_epochs_length(tmp_path: Path) -> None:
    found = log(tmp_path, MMDET_JSON)
    assert found.reports["iteration"].tolist() == [2, 5, 8, 11]
    assert found.notes == (
        "no epoch's length in it: iterations behind an epoch's last report are not counted",
    )
    found = log(tmp_path, MMDET_3_JSON)
    assert found.reports["iteration"].tolist() == [2, 5, 9, 12]
    assert found.reports["time (s)"].tolist() == pytest.approx([6, 3, 1.5, 1.2])


@pytest.mark.parametrize(
    ("content", "end"),
    [
        (MMDET_LOG, "2021-02-03 04:06:00,000 - mmdet - INFO - Epoch(val) [2][50]\t"
         "bbox_mAP: 0.3770, bbox_mAP_50: 0.5800, segm_mAP_s: 0.1230, "
         "bbox_mAP_copypaste: 0.377 0.580 0.411\n"),
        (MMDET_3_LOG, "2023/02/03 04:06:00 - mmengine - INFO - Epoch(val) [2][50/50]    "
         "coco/bbox_mAP: 0.3770  coco/bbox_mAP_50: 0.5800  coco/segm_mAP_s: 0.1230  time: 0.2\n"),
        (MMDET_JSON, '{"mode": "val", "epoch": 2, "iter": 50, "lr": 0.01, "bbox_mAP": 0.377, '
         '"bbox_mAP_50": 0.58, "segm_mAP_s": 0.123, "bbox_mAP_copypaste": "0.377 0.580"}\n'),
        (MMDET_3_JSON, '{"coco/bbox_mAP": 0.377, "coco/bbox_mAP_50": 0.58, '
         '"coco/segm_mAP_s": 0.123, "data_time": 0.01, "time": 0.03, "step": 2}\n'),
    ],
)  # fmt: skip
def test_ap_is_in_percent(tmp_path: Path, content: str, end: str) -> None:
    found = log(tmp_path, content + end)
    (row,) = found.evaluations.to_dict("records")
    assert (row["box AP"], row["box AP50"], row["mask APs"]) == (37.7, 58.0, 12.3)
    assert row["iteration"] == found.reports["iteration"].max()
    assert found.accuracy == {"box AP": 37.7, "box AP50": 58.0}


def test_ap_of_what_there_is_not_is_missing(tmp_path: Path) -> None:
    line = (
        "2021-02-03 04:06:00,000 - mmdet - INFO - Epoch(val) [1][50]\tbbox_mAP: 0.5, {}: -1.0000\n"
    )
    found = log(tmp_path, MMDET_LOG + line.format("bbox_mAP_l"))
    assert found.evaluations["box APl"].isna().all()
    assert found.evaluations["box AP"].tolist() == [50]


def test_time_to_train_is_of_the_iterations(tmp_path: Path) -> None:
    line = "2021-02-03 04:06:00,000 - mmdet - INFO - Epoch(val) [1][50]\tbbox_mAP: 0.5000, x: 1\n"
    path = tmp_path / "a.log"
    path.write_text(MMDET_LOG + line)
    (row,) = detbench.time_to_train(path, {"box AP": 40}).to_dict("records")
    assert row["time (min)"] == pytest.approx(3 * (2 + 1 + 0.5 + 0.4) / 60)
    assert row["clock"].startswith("iterations only: the clock of mmdetection")


def test_a_run_by_iterations_counts_them_over_all_epochs(tmp_path: Path) -> None:
    line = (
        "2023/02/03 04:05:00 - mmengine - INFO - Iter(train) [{}/90]  lr: 0.1  time: {}  loss: 1\n"
    )
    found = log(tmp_path, line.format(" 50", "0.5") + line.format("100", "0.25"))
    assert found.reports[["iteration", "iterations"]].to_numpy().tolist() == [[49, 50], [99, 50]]


def test_version_1_does_not_name_its_logger(tmp_path: Path) -> None:
    line = (
        "2019-05-07 13:14:01,000 - INFO - Epoch [1][{}/1000]\tlr: 0.00500, eta: 1:00:00,"
        " time: 0.500, data_time: 0.050, memory: 3000, loss: 1.7\n"
    )
    found = log(tmp_path, line.format(50) + line.format(100))
    assert found.reports[["iteration", "iterations"]].to_numpy().tolist() == [[49, 50], [99, 50]]
    assert found.reports["time (s)"].tolist() == pytest.approx([25, 25])  # 50 times 0.5 s


def test_the_consoles_stamps_have_no_year(tmp_path: Path) -> None:
    found = log(tmp_path, MMDET_3_LOG.replace("2023/02/03 ", "02/03 "))
    assert found.reports["iteration"].tolist() == [2, 5, 9, 12]


def test_a_resumed_training_does_iterations_again(tmp_path: Path) -> None:
    found = log(tmp_path, MMDET_LOG + MMDET_LOG.split("\n")[2].replace("0.500", "0.700") + "\n")
    assert found.num_restarts == 1
    assert found.reports.set_index("iteration")["time (s)"][9] == pytest.approx(2.1)


def test_a_number_that_none_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="line 1: not a line of mmdetection's log"):
        log(tmp_path, MMDET_LOG.replace("[1][3/7]", "[999999999999999][3/999999999999999]"))


def test_their_logs_have_no_wall_time_and_say_so(tmp_path: Path) -> None:
    for content in (MRCNN_BENCHMARK_LOG, MMDET_LOG, MMDET_JSON):
        found = log(tmp_path, content)
        assert found.no_wall
        assert pd.isna(found.pauses)
