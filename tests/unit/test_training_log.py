import json
from pathlib import Path

import pytest

from detbench.errors import BadFileError
from detbench.readers.training_log import read_training_log
from detbench.utilization.throughput import throughput
from tests.builders import DETECTRON2_LOG


def metrics(path: Path, *entries: dict[str, float], end: str = "") -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + end)
    return path


def report(iteration: int, time: float, data_time: float = 0.1) -> dict[str, float]:
    return {"iteration": iteration, "time": time, "data_time": data_time, "total_loss": 1.0}


def test_throughput_is_a_ratio_of_sums_after_the_warm_up(tmp_path: Path) -> None:
    path = metrics(tmp_path / "metrics.json", report(19, 9.0), report(39, 0.5), report(59, 1.5))
    found = throughput(read_training_log(path).reports, batch_size=4, warmup=20)
    # Two reports of 20 iterations: 160 images in 10 + 30 s; the mean of the rates would be 5.33.
    assert found.images_per_second == pytest.approx(4.0)
    assert found.data_wait_percent == pytest.approx(10.0)


def test_the_last_report_of_a_training_is_about_what_is_new(tmp_path: Path) -> None:
    path = metrics(tmp_path / "metrics.json", report(19, 1), report(39, 1), report(49, 1))
    assert read_training_log(path).reports["iterations"].tolist() == [20, 20, 10]


def test_a_restart_counts_an_iteration_once(tmp_path: Path) -> None:
    path = metrics(
        tmp_path / "metrics.json", report(19, 1), report(39, 1), report(19, 2), report(59, 2)
    )
    log = read_training_log(path)
    assert log.num_restarts == 1
    assert log.reports["iteration"].tolist() == [19, 39, 59]
    assert log.reports["typical (s)"].tolist() == [2, 1, 2]


def test_a_line_cut_by_the_kill_is_left_out(tmp_path: Path) -> None:
    path = metrics(tmp_path / "metrics.json", report(19, 1), end='{"iteration": 39, "ti')
    assert len(read_training_log(path).reports) == 1


def test_a_damaged_line_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(report(19, 1)) + "\n{broken\n" + json.dumps(report(39, 1)) + "\n")
    with pytest.raises(BadFileError, match="line 2: not a line of metrics"):
        read_training_log(path)


def test_accuracy_is_the_last_evaluations(tmp_path: Path) -> None:
    evaluated = {
        "iteration": 39, "bbox/AP": 12.5, "segm/AP50": 20.0, "bbox/AP-cat": 1.0,
        "bbox/AP75": float("nan"),  # as detectron2 writes what cannot be computed
    }  # fmt: skip
    path = metrics(tmp_path / "metrics.json", report(19, 1), evaluated, report(59, 1))
    log = read_training_log(path)
    assert log.accuracy == {"box AP": 12.5, "mask AP50": 20.0}
    assert log.reports["iteration"].tolist() == [19, 59]


def test_a_log_tells_its_batch_size_times_and_ap(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text(DETECTRON2_LOG)
    log = read_training_log(path)
    assert log.batch_size == 16
    # Means of 18 and of 38 timed iterations: 4.3074 s, and 8.5044 - 4.3074 s for the next 20.
    assert log.reports["time (s)"].tolist() == pytest.approx([4.3074, 4.1970])
    assert log.reports["iterations"].tolist() == [18, 20]
    assert log.reports["typical (s)"].tolist() == [0.25, 0.21]
    assert log.reports["data wait (s)"].tolist() == pytest.approx([18 * 0.008, 20 * 0.007])
    assert log.accuracy == {"box AP": 19.848, "box AP50": 38.049, "box AP75": 19.1081}


def test_a_log_without_iterations_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("nothing of interest\n")
    with pytest.raises(BadFileError, match="no iteration's time"):
        read_training_log(path)


def test_a_log_shorter_than_the_warm_up_has_no_throughput(tmp_path: Path) -> None:
    path = metrics(tmp_path / "metrics.json", report(19, 1))
    with pytest.raises(ValueError, match="iteration 19, inside the warm-up of 20"):
        throughput(read_training_log(path).reports, 4, 20)


def test_a_logs_mean_is_over_the_process_and_restarts_with_it(tmp_path: Path) -> None:
    line = "[d2.utils.events]:  iter: {}  total_loss: 1  time: {}  data_time: 0.1  lr: 0.1"
    path = tmp_path / "log.txt"
    path.write_text(
        "\n".join(
            [
                "Starting training from iteration 0",
                line.format(19, "1.0000"),
                line.format(39, "1.0000"),
                line.format(59, "1.0000"),
                "Starting training from iteration 40",
                line.format(59, "3.0000"),
                line.format(79, "2.5000"),
            ]
        )
    )
    reports = read_training_log(path).reports.set_index("iteration")
    # From 40 on: 18 timed iterations of 3 s, then 38 of 2.5 s, which leaves 41 s for the last 20.
    assert reports["time (s)"].to_dict() == pytest.approx({19: 18, 39: 20, 59: 54, 79: 41})
    found = throughput(reports.reset_index(), batch_size=2, warmup=20)
    # Only [20, 40) and [60, 80) lie after their process's warm-up: 40 iterations in 61 s.
    assert found.images_per_second == pytest.approx(80 / 61)
