import json
from pathlib import Path

import pandas as pd
import pytest

import detbench
from detbench.errors import BadFileError
from detbench.readers.log_clock import LogClock
from detbench.readers.training_log import metrics_of, read_training_log
from detbench.reporting import training_curve
from detbench.utilization.throughput import throughput
from detbench.utilization.time_to_train import time_to_train
from tests.builders import DETECTRON2_LOG
from tests.conftest import Run, assert_refused
from tests.needed import package


def metrics(path: Path, *entries: dict[str, float], end: str = "") -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + end)
    return path


def report(iteration: int, time: float, data_time: float = 0.1) -> dict[str, float]:
    return {"iteration": iteration, "time": time, "data_time": data_time, "total_loss": 1.0}


def test_medians_make_no_mean(tmp_path: Path) -> None:
    path = metrics(tmp_path / "metrics.json", report(19, 9.0), report(39, 0.5), report(59, 1.5))
    found = throughput(read_training_log(path), batch_size=4, warmup=20)
    # A report has the median of its iterations; no mean follows from 0.5 and 1.5 s.
    assert found.images_per_second is None
    assert found.mean_seconds is None
    assert found.data_wait_percent is None
    assert found.median_seconds == pytest.approx(1.0)
    assert found.images_per_median_second == pytest.approx(4.0)
    assert found.data_wait_median_percent == pytest.approx(10.0)


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


def test_what_a_killed_process_reported_last_is_done_again_too(tmp_path: Path) -> None:
    path = metrics(
        tmp_path / "metrics.json",
        report(19, 1), report(39, 1), report(47, 9),  # killed; its last report is of 8 iterations
        report(39, 2), report(59, 2),
    )  # fmt: skip
    log = read_training_log(path)
    assert log.reports["iteration"].tolist() == [19, 39, 59]
    assert log.reports["iterations"].sum() == 60
    assert log.curves["iteration"].tolist() == [19, 39, 59]


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
        throughput(read_training_log(path), 4, 20)


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
    found = throughput(read_training_log(path), batch_size=2, warmup=20)
    # Only [20, 40) and [60, 80) lie after their process's warm-up: 40 iterations in 61 s.
    assert found.images_per_second == pytest.approx(80 / 61)
    assert found.mean_seconds == pytest.approx(61 / 40)
    assert (found.median_seconds, found.images_per_median_second) == (None, None)
    assert (found.num_iterations, found.num_untimed) == (40, 20)


TRAINED = (
    "[{} d2.utils.events]:  iter: {}  total_loss: 1.5  time: 1.0000  data_time: 0.1  lr: 0.01  \n"
)
STARTED = """[{0} detectron2]: Rank of current process: 0. World size: 1
[{0} detectron2]: Running with full config:
  IMS_PER_BATCH: 2
  EVAL_PERIOD: 30
[{1} d2.engine.train_loop]: Starting training from iteration {2}
"""
EVALUATED = """[{0} d2.evaluation.evaluator]: Start inference on 8 images
[{1} d2.evaluation]: Total inference time: 0:08 (0.250000 s / img per device, on 2 devices)
[{1} d2.engine.defaults]: Evaluation results for val in csv format:
[{1} d2.evaluation.testing]: copypaste: Task: bbox
[{1} d2.evaluation.testing]: copypaste: AP,AP50,APs
[{1} d2.evaluation.testing]: copypaste: {2},50.0000,nan
[{1} d2.evaluation.testing]: copypaste: Task: sem_seg
[{1} d2.evaluation.testing]: copypaste: mIoU
[{1} d2.evaluation.testing]: copypaste: 33.0000
"""


def written(path: Path, *parts: str) -> Path:
    path.write_text("".join(parts))
    return path


def over_new_year(path: Path) -> Path:
    """Trains from 23:58 on, is killed at 00:03, goes on from a checkpoint at 01:00."""
    return written(
        path,
        STARTED.format("12/31 23:58:00", "12/31 23:58:10", 0),
        TRAINED.format("12/31 23:59:00", 19),
        EVALUATED.format("12/31 23:59:30", "01/01 00:01:30", "10.0000"),
        TRAINED.format("01/01 00:02:00", 39),
        TRAINED.format("01/01 00:03:00", 49),
        STARTED.format("01/01 01:00:00", "01/01 01:00:10", 30),
        TRAINED.format("01/01 01:01:00", 49),
        EVALUATED.format("01/01 01:02:00", "01/01 01:04:00", "40.0000"),
    )


def test_every_evaluation_has_its_iteration_speed_and_figures(tmp_path: Path) -> None:
    found = read_training_log(over_new_year(tmp_path / "log.txt")).evaluations
    # EVAL_PERIOD is 30: after iterations 29 and 59, between two reports and after the last one.
    assert found["iteration"].tolist() == [29, 59]
    assert found["dataset"].tolist() == ["val", "val"]
    assert found["inference (s/img)"].tolist() == [0.25, 0.25]
    assert found["devices"].tolist() == [2, 2]
    assert found["box AP"].tolist() == [10.0, 40.0]
    assert found["box APs"].isna().all()
    assert found["sem_seg mIoU"].tolist() == [33.0, 33.0]


def test_time_to_train_counts_lost_work_but_no_pause(tmp_path: Path) -> None:
    log = read_training_log(over_new_year(tmp_path / "log.txt"))
    (row,) = time_to_train(log, {"box AP": 40.0}).to_dict("records")
    # 23:58 to 00:03, then 01:00 to 01:04: 9 minutes, of which two evaluations took 2 each.
    assert row["result"] == "reached"
    assert row["iteration"] == 59
    assert row["time (min)"] == pytest.approx(9)
    assert row["evaluation (min)"] == pytest.approx(4)
    assert row["excluded pauses (min)"] == pytest.approx(57)
    assert row["clock"] == "wall time"


def test_a_target_that_was_not_reached_has_no_time(tmp_path: Path) -> None:
    log = read_training_log(over_new_year(tmp_path / "log.txt"))
    (row,) = time_to_train(log, {"box AP": 20.0, "sem_seg mIoU": 60.0}).to_dict("records")
    assert row["result"] == "not reached after 60 iterations"
    assert pd.isna(row["time (min)"])
    assert row["best sem_seg mIoU"] == 33.0
    with pytest.raises(ValueError, match="no mask AP in it, but box AP, "):
        time_to_train(log, {"mask AP": 1.0})


def test_a_training_without_a_report_can_have_an_evaluation(tmp_path: Path) -> None:
    path = written(
        tmp_path / "log.txt",
        STARTED.format("01/01 00:00:00", "01/01 00:00:00", 30).replace("EVAL_PERIOD: 30", ""),
        EVALUATED.format("01/01 00:00:00", "01/01 00:02:00", "40.0000"),
    )
    log = read_training_log(path)
    assert (len(log.reports), len(log.curves), len(log.evaluations)) == (0, 0, 1)
    (row,) = time_to_train(log, {"box AP": 50.0}).to_dict("records")
    assert row["result"] == "not reached after 30 iterations"


def test_a_clock_that_steps_back_tells_no_wall_time(tmp_path: Path) -> None:
    path = written(
        tmp_path / "log.txt",
        STARTED.format("10/25 02:58:00", "10/25 02:58:00", 0),
        TRAINED.format("10/25 02:59:00", 29),
        EVALUATED.format("10/25 02:01:00", "10/25 02:02:00", "40.0000"),
    )
    (row,) = time_to_train(read_training_log(path), {"box AP": 1.0}).to_dict("records")
    # 28 timed iterations at a mean of 1 s.
    assert row["time (min)"] == pytest.approx(28 / 60)
    assert row["clock"] == "iterations only: the log's clock steps back at 10/25 02:01:00"


def test_a_29_february_makes_a_leap_year() -> None:
    clock = LogClock()
    before, leap, after = (
        clock.read(f"[{s} x") for s in ("02/28 00:00:00", "02/29 00:00:00", "03/01 00:00:00")
    )
    assert before is not None and leap is not None and after is not None
    assert (leap - before, after - before) == (86400, 2 * 86400)
    common = LogClock()
    first, second = common.read("[02/28 00:00:00]"), common.read("[03/01 00:00:00]")
    assert first is not None and second is not None
    assert second - first == 86400


def test_metrics_count_iterations_only_and_a_new_training_anew(tmp_path: Path) -> None:
    evaluated = {"bbox/AP": 50.0, "rpn/num_pos_anchors": 3.0}
    path = metrics(
        tmp_path / "metrics.json",
        report(19, 1.0),
        {"iteration": 29, **evaluated},  # between two reports, written with the next
        report(39, 2.0),
        report(19, 3.0) | evaluated,
        {"iteration": 20, **evaluated},  # after the last iteration of a training of 20
    )
    log = read_training_log(path)
    assert log.evaluations["iteration"].tolist() == [29, 19, 19]
    assert log.evaluations["training"].tolist() == [1, 2, 2]
    # 20 of 1 s and 10 of 2 s; then 20 of 3 s, of a training of its own.
    assert log.evaluations["iterations (s)"].tolist() == pytest.approx([40, 60, 60])
    assert metrics_of(log.evaluations) == ["box AP"]
    first, second = time_to_train(log, {"box AP": 50.0}).to_dict("records")
    assert first["time (min)"] == pytest.approx(40 / 60)
    assert (
        second["clock"] == "iterations only: metrics.json has no clock, and medians of iterations"
    )


def test_datasets_evaluated_together_are_a_row_each(tmp_path: Path) -> None:
    both = {"iteration": 19, "coco/val/bbox/AP": 10.0, "mini/bbox/AP": 20.0}
    path = metrics(tmp_path / "metrics.json", report(19, 1) | both)
    found = read_training_log(path).evaluations
    assert found["dataset"].tolist() == ["coco/val", "mini"]
    assert found["box AP"].tolist() == [10.0, 20.0]


@pytest.mark.parametrize("cut", ["39  total_loss: 1.5  time: 9.0", "39  total_loss: 1.5  time: 9"])
def test_a_report_cut_by_the_kill_is_left_out(tmp_path: Path, cut: str) -> None:
    path = written(
        tmp_path / "log.txt",
        TRAINED.format("01/01 00:02:00", 19),
        f"[01/01 00:03:00 d2.utils.events]:  iter: {cut}",
    )
    assert read_training_log(path).reports["iteration"].tolist() == [19]


@pytest.mark.parametrize("row", ["89.7633,96.81", "89.7633,96.8180", "89.7633,96.8180,90.78"])
def test_an_ap_row_cut_by_the_kill_is_left_out(tmp_path: Path, row: str) -> None:
    head = "[01/01 00:02:00 d2]: copypaste: "
    path = written(
        tmp_path / "log.txt",
        TRAINED.format("01/01 00:02:00", 19),
        f"{head}Task: bbox\n{head}AP,AP50,AP75\n{head}{row}",
    )
    assert read_training_log(path).evaluations.empty


def test_an_evaluation_ended_before_its_end_is_refused_as_that(parser: Run, tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    line = (
        "[01/18 14:00:{0}] d2.evaluation.evaluator INFO: Inference done {0}/1000. Dataloading:"
        " 0.0010 s/iter. Inference: 0.0400 s/iter. Eval: 0.0090 s/iter. Total: 0.0500 s/iter."
        " ETA=0:00:50\n"
    )
    begun = "[01/18 14:00:00] d2.evaluation.evaluator INFO: Start inference on 1000 batches\n"
    path.write_text(begun + line.format("11") + line.format("20"))
    words = "an evaluation that was ended before its end, at 20 of 1000"
    assert_refused(parser("throughput.py", path), 5, words)
    path.write_text(begun)  # nothing but its beginning
    words = "a file of detectron2 (log.txt) without a report yet"
    assert_refused(parser("throughput.py", path), 5, words, "reached its first report")


def test_the_log_of_another_rank_is_refused_by_the_name_of_the_right_one(tmp_path: Path) -> None:
    path = tmp_path / "log.txt.rank1"
    path.write_text("[01/01 00:02:00] detectron2 INFO: Rank of current process: 1. World size: 2\n")
    with pytest.raises(BadFileError, match="of a process that reports none; give log"):
        read_training_log(path)


def test_the_batch_size_comes_from_beside_the_log_and_says_so(parser: Run, tmp_path: Path) -> None:
    path = metrics(tmp_path / "metrics.json", report(19, 1), report(39, 0.5))

    def told(*options: str) -> tuple[object, object, object]:
        done = parser("throughput.py", path, "--format", "json", *options)
        (row,) = json.loads(done.stdout)
        return row["batch size"], row["batch size source"], row["images/s (median)"]

    assert told() == (None, None, None)
    (tmp_path / "config.yaml").write_text(
        "SOLVER:\n  IMS_PER_BATCH: 8\nDATASETS:\n  TRAIN:\n  - a\n"
    )
    assert told() == (8, "config.yaml", 16)
    (tmp_path / "run.json").write_text('{"spec": {"batch_size": 4, "dataset": "embedded"}}')
    assert told() == (4, "run.json", 8)
    assert told("--batch-size", "2") == (2, "--batch-size", 4)
    (tmp_path / "run.json").write_text('["of another program"]')
    assert told() == (8, "config.yaml", 16)


def test_energy_per_image_is_that_of_the_run_beside_the_log(parser: Run, tmp_path: Path) -> None:
    path = metrics(tmp_path / "metrics.json", report(19, 1), report(39, 0.5))

    def told() -> object:
        (row,) = json.loads(parser("throughput.py", path, "--format", "json").stdout)
        return row["J/image"]

    def ran(throughput: object) -> None:
        spec = {"batch_size": 4, "dataset": "embedded"}
        (tmp_path / "run.json").write_text(json.dumps({"spec": spec, "throughput": throughput}))

    assert told() is None
    ran({"images": 80, "energy_joules": None})
    assert told() is None
    assert "J/image" not in parser("throughput.py", path).stdout
    ran({"images": 80, "energy_joules": 1000.0})
    assert told() == 12.5
    assert "J/image" in parser("throughput.py", path).stdout


def test_a_plot_is_a_new_png_and_the_table_is_printed_too(parser: Run, tmp_path: Path) -> None:
    log, picture = over_new_year(tmp_path / "log.txt"), tmp_path / "curve.png"
    done = parser("throughput.py", log, "--warmup", "0", "--plot", picture)
    assert done.returncode == 0, done.stderr
    assert "images/s" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    before = picture.read_bytes()
    again = parser("throughput.py", log, "--warmup", "0", "--plot", picture)
    assert_refused(again, 2, "curve.png", "File exists")
    assert picture.read_bytes() == before


def test_what_a_plot_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure_module = package("matplotlib.figure", "bash scripts/make_venv.sh train test")
    kept = []
    monkeypatch.setattr(
        figure_module.Figure, "savefig", lambda figure, *_, **__: kept.append(figure)
    )
    log = read_training_log(over_new_year(tmp_path / "log.txt"))
    training_curve.draw({"log.txt": log}, tmp_path / "curve.png")
    loss, rate, ap = kept[0].axes
    assert kept[0].get_suptitle() == "log.txt"
    # What was done again after the restart is drawn once.
    assert loss.get_lines()[0].get_xdata().tolist() == [19, 49]
    assert loss.get_lines()[0].get_ydata().tolist() == [1.5, 1.5]
    (restart,) = [line for line in loss.get_lines() if line.get_label() == "restart"]
    assert restart.get_xdata() == [30, 30]
    assert (loss.get_ylabel(), rate.get_ylabel(), ap.get_xlabel()) == (
        "loss",
        "learning rate",
        "iteration, counted from 0",
    )
    assert ap.get_lines()[0].get_ydata().tolist() == [10.0, 40.0]


@pytest.mark.parametrize("target", ["box", "box=", "=1", "box=x", "box=1,"])
def test_a_target_that_is_none_is_a_line(parser: Run, tmp_path: Path, target: str) -> None:
    path = over_new_year(tmp_path / "log.txt")
    assert_refused(parser("throughput.py", path, "--target", target), 2, "NAME=PERCENT")


SPEED = "[{} d2.utils.events]:  iter: {}  total_loss: 1.5  time: {}  data_time: 0.1  lr: 0.01  \n"
AP = """[{0} d2.evaluation.testing]: copypaste: Task: bbox
[{0} d2.evaluation.testing]: copypaste: AP,AP50
[{0} d2.evaluation.testing]: copypaste: {1},50.0000
"""


def joined(path: Path, second: tuple[str, str]) -> Path:
    """Two processes of 40 iterations; no line says where the second one begins."""
    return written(
        path,
        SPEED.format("01/01 10:00:20", 19, "1.0000"),
        SPEED.format("01/01 10:00:40", 39, "1.0000"),
        AP.format("01/01 10:00:50", "10.0000"),
        SPEED.format("01/01 11:00:30", 59, second[0]),
        SPEED.format("01/01 11:01:00", 79, second[1]),
        AP.format("01/01 11:01:10", "20.0000"),
    )


@pytest.mark.parametrize(
    ("second", "seconds"),
    [
        (("0.5000", "0.5000"), 10.0),  # the sum falls: 58 of 0.5 s are less than 38 of 1 s
        (("0.7000", "0.6000"), 38 * 0.6 - 18 * 0.7),  # it would leave 0.13 s for an iteration
        (("1.5000", "1.5000"), 30.0),  # and here 2.45 s, in an hour of silence
        (("1.0000", "1.0000"), 20.0),  # the silence alone
    ],
)
def test_a_process_that_no_line_announces_is_timed_by_itself(
    tmp_path: Path, second: tuple[str, str], seconds: float
) -> None:
    log = read_training_log(joined(tmp_path / "log.txt", second))
    assert log.num_restarts == 1
    assert log.notes == (
        "no line announces 1 of the restarts: the mean, the clock or the iterations show it",
    )
    found = throughput(log, batch_size=2, warmup=20)
    # [20, 40) and [60, 80); between them lies the second process's warm-up.
    assert found.mean_seconds == pytest.approx((20 + seconds) / 40)
    assert (found.num_iterations, found.num_untimed) == (40, 20)


def test_the_pause_before_a_process_is_no_training(tmp_path: Path) -> None:
    path = joined(tmp_path / "log.txt", ("0.5000", "0.5000"))
    (row,) = time_to_train(read_training_log(path), {"box AP": 20.0}).to_dict("records")
    # From 10:00:00, when iteration 0 began, to the first AP at 10:00:50; then from 11:00:20 on.
    assert row["excluded pauses (min)"] == pytest.approx((3600 - 30) / 60)
    assert row["time (min)"] == pytest.approx((50 + 50) / 60)


@pytest.mark.parametrize(
    ("lines", "restarts"),
    [
        # 18 of 1 s, then 20 that took 40 s: slower, and the clock says so too.
        ([("10:00:20", 19, "1.0000"), ("10:01:00", 39, "1.5263")], 0),
        # The same mean within 20 s cannot be.
        ([("10:00:20", 19, "1.0000"), ("10:00:40", 39, "1.5263")], 1),
        # Reports alone, as of grep: what lies between may be an evaluation.
        ([("10:00:20", 19, "1.0000"), ("11:00:40", 39, "1.0000")], 0),
        # A report is missing in the silence.
        ([("10:00:20", 19, "1.0000"), ("10:00:40", 39, "1.0000"), ("11:00:40", 79, "1.0000")], 1),
    ],
)
def test_what_one_process_can_have_written_is_one(
    tmp_path: Path, lines: list[tuple[str, int, str]], restarts: int
) -> None:
    path = tmp_path / "log.txt"
    written(path, *(SPEED.format(f"01/01 {at}", *rest) for at, *rest in lines))
    assert read_training_log(path).num_restarts == restarts


TABLE = """[01/02 03:04:05 d2.evaluation.coco_evaluation]: Evaluation results for segm: \n\
|   AP   |  AP50  |  APl  |
|:------:|:------:|:-----:|
| 37.900 | 58.800 |  nan  |
"""


def test_ap_is_read_from_tables_where_no_copypaste_line_is(tmp_path: Path) -> None:
    box = TABLE.replace("segm", "bbox")
    log = read_training_log(written(tmp_path / "log.txt", box, TABLE, box))
    assert log.evaluations["box AP50"].tolist() == [58.8, 58.8]
    assert log.evaluations["mask AP"].tolist()[0] == 37.9
    assert log.evaluations["mask APl"].isna().all()
    # An evaluation prints both, and is one.
    both = EVALUATED.format("01/02 03:04:05", "01/02 03:05:00", "10.0000")
    head, rest = both.split("[01/02 03:05:00 d2.engine.defaults]")
    head += box
    log = read_training_log(
        written(tmp_path / "both.txt", head, "[01/02 03:05:00 d2.engine.defaults]", rest)
    )
    assert log.evaluations["box AP"].tolist() == [10.0]
    assert log.evaluations["dataset"].tolist() == ["val"]


@pytest.mark.parametrize("cut", [1, 9, 12])
def test_a_table_cut_by_the_kill_is_left_out(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path / "log.txt", TRAINED.format("01/01 00:02:00", 19), TABLE[:-cut])
    left = read_training_log(path).evaluations
    assert left.empty == (cut > 1)  # the end of the line is nothing of the row


def test_an_evaluation_without_ap_has_its_speed(parser: Run, tmp_path: Path) -> None:
    stamp = "[01/02 03:04:{} d2.evaluation.evaluator]: "
    path = written(
        tmp_path / "log.txt",
        stamp.format("05") + "Start inference on 100 batches\n",
        stamp.format("15") + "Total inference time: 0:00:09 "
        "(0.100000 s / iter per device, on 2 devices)\n",
        stamp.format("15") + "Total inference pure compute time: 0:00:08 "
        "(0.080000 s / iter per device, on 2 devices)\n",
    )
    done = parser("throughput.py", path, "--by", "evaluation", "--json")
    (row,) = json.loads(done.stdout)
    assert (row["inference (s/batch)"], row["pure compute (s/batch)"]) == (0.1, 0.08)
    assert (row["devices"], row["evaluation (s)"], row["training"]) == (2, 10, None)
    assert "no AP in it" in done.stderr


def test_without_a_batch_size_the_iteration_is_told(parser: Run, tmp_path: Path) -> None:
    lines = [SPEED.format(f"01/01 10:00:{n:02}", n - 1, "0.5000") for n in (20, 40)]
    path = written(tmp_path / "log.txt", *lines)
    done = parser("throughput.py", path, "--json")
    (row,) = json.loads(done.stdout)
    assert row["s / iteration (mean)"] == pytest.approx(0.5)
    assert (row["s / iteration (median)"], row["images/s"]) == (None, None)
    assert "batch size of" in done.stderr
    assert "--batch-size N" in done.stderr


def test_the_two_logs_of_a_training_share_no_name_for_two_figures(tmp_path: Path) -> None:
    lines = [SPEED.format(f"01/01 10:00:{n:02}", n - 1, "0.4000") for n in (20, 40)]
    text = written(tmp_path / "log.txt", *lines)
    medians = metrics(tmp_path / "metrics.json", report(19, 0.2), report(39, 0.2))
    table = detbench.throughput([text, medians], batch_size=2)
    assert table["images/s"].tolist() == pytest.approx([5, float("nan")], nan_ok=True)
    assert table["images/s (median)"].tolist() == pytest.approx([float("nan"), 10], nan_ok=True)
    assert table.attrs["units"]["images/s (median)"] == "images/s"
    assert table.attrs["units"]["s / iteration (mean)"] == "s"
    assert any("medians" in note for note in table.attrs["notes"])


UNTRAINED = (
    "[01/05 12:00:00] d2.evaluation.evaluator INFO: Start inference on 100 batches\n"
    "[01/05 12:00:12] d2.evaluation.evaluator INFO: Total inference time: 0:00:10.000000"
    " (0.100000 s / iter per device, on 1 devices)\n"
)


def test_a_log_without_a_training_tells_its_evaluations(parser: Run, tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text(UNTRAINED)
    done = parser("throughput.py", path, "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["evaluation (s)"], row["inference (s/batch)"], row["devices"]) == (12, 0.1, 1)
    assert "nothing was trained in it, so there is no throughput to tell" in done.stderr


def test_beside_a_training_it_is_refused_as_before(parser: Run, tmp_path: Path) -> None:
    path, other = tmp_path / "log.txt", tmp_path / "trained.txt"
    path.write_text(UNTRAINED)
    other.write_text(DETECTRON2_LOG)
    done = parser("throughput.py", path, other, "--json")
    assert done.returncode == 5
    assert [row["file"] for row in json.loads(done.stdout)] == [str(other)]
    assert "--by evaluation shows them" in done.stderr
