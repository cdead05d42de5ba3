"""Training on the CPU in every framework: it goes on where it stopped, in one process or two."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from detbench.records.events import parse
from detbench.records.modes import MODES
from detbench.running.plan import Request, plan
from detbench.suite import load_family
from tests.conftest import ROOT, assert_refused
from tests.integration.conftest import (
    FRAMEWORKS,
    NUM_ITERATIONS,
    Trained,
    call,
    command,
    newest,
    record,
    rows,
    started,
)

pytestmark = pytest.mark.train


def losses(folder: str | Path) -> dict[int, float]:
    lines = (Path(folder) / "metrics.json").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return {e["iteration"]: e["total_loss"] for e in entries if "total_loss" in e}


def weights(folder: str | Path) -> dict[str, Any]:
    import torch

    found: dict[str, Any] = torch.load(Path(folder) / "model_final.pth", weights_only=True)
    return found["model"]


@pytest.mark.parametrize(("family", "framework"), FRAMEWORKS)
def test_an_interrupted_training_goes_on_exactly(
    trained: Callable[[str, str], Trained], checkout: Path, family: str, framework: str
) -> None:
    whole = trained(family, framework)
    begun = started(checkout, *command(family, framework))
    until = time.monotonic() + 240
    while not list(checkout.glob("results/cpu/.running-*/last_checkpoint")):
        assert time.monotonic() < until
        assert begun.poll() is None
        time.sleep(0.02)
    begun.send_signal(signal.SIGINT)
    _, said = begun.communicate(timeout=60)
    assert begun.returncode == 4, said
    assert "interrupted" in said
    stopped = newest(checkout)
    assert stopped.status == "interrupted"

    again = call(checkout, *command(family, framework))
    (row,) = rows(again)
    assert "going on from the checkpoint in" in again.stderr
    done = record(row["run"])
    assert done.environment["continues"].startswith(done.spec.model)
    import torch

    ours, theirs = weights(row["run"]), weights(whole.folder)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    # Reports on iterations that both have done without a break.
    assert {i: loss for i, loss in losses(row["run"]).items() if i > 19} == {
        i: loss for i, loss in losses(whole.folder).items() if i > 19
    }
    iterations = (Path(row["run"]) / "iterations.csv").read_text().splitlines()
    assert len(iterations) == 1 + NUM_ITERATIONS
    for name in ("training_curve.png", "predictions.png"):
        assert (Path(row["run"]) / name).read_bytes().startswith(b"\x89PNG")
    third = call(checkout, *command(family, framework))
    assert rows(third)[0]["run"] == row["run"]  # a good one is not done again


@pytest.mark.parametrize(("family", "framework"), FRAMEWORKS)
def test_two_deterministic_trainings_lose_the_same_to_the_last_digit(
    checkout: Path, family: str, framework: str
) -> None:
    window = (
        "run", family, "--framework", framework, "--start", "0", "--count", "20", "--batch-sizes",
        "2", "--deterministic", "--format", "json",
    )  # fmt: skip
    first, second = (rows(call(checkout, *window))[0]["run"] for _ in range(2))
    assert first != second
    assert losses(first) == losses(second)
    assert losses(first) != losses(rows(call(checkout, *window, "--seed", "1"))[0]["run"])


@pytest.mark.parametrize(("family", "framework"), FRAMEWORKS)
@pytest.mark.parametrize("processes", ["1", "2"])
def test_time_to_train(checkout: Path, family: str, framework: str, processes: str) -> None:
    command = (
        "time-to-train", family, "--framework", framework, "--processes", processes,
        "--iterations", "8", "--evaluate-every", "4", "--start", "1", "--format", "json",
    )  # fmt: skip
    (row,) = rows(call(checkout, *command, "--target", "box=0"))
    found = newest(checkout)
    assert found.time_to_train is not None
    assert found.time_to_train.reached
    assert row["time-to-train (s)"] == pytest.approx(found.time_to_train.seconds)
    assert (row["evaluations"], row["images"], row["processes"]) == (1, 16, int(processes))
    assert 0 < row["evaluation (s)"] < row["time-to-train (s)"]
    wall = (found.ended - found.started).total_seconds()
    assert row["time-to-train (s)"] < wall
    if processes == "1":  # never a time where it was not reached
        (row,) = rows(call(checkout, *command, "--target", "box=99"))
        assert row["time-to-train (s)"] == "not reached after 8 iterations"
        assert row["evaluations"] == 2


def test_a_process_that_is_killed_is_the_cause(checkout: Path) -> None:
    begun = started(checkout, "train", "maskrcnn", "--processes", "2")
    until = time.monotonic() + 120
    while not any(
        len(file.read_text().splitlines()) > 2
        for file in checkout.glob("results/cpu/.running-*/iterations.csv")
    ):
        assert time.monotonic() < until
        assert begun.poll() is None
        time.sleep(0.1)
    for environment in Path("/proc").glob("[0-9]*/environ"):
        text = read(environment)
        if b"\0RANK=1\0" in text and str(checkout).encode() in read(environment.parent / "cmdline"):
            os.kill(int(environment.parent.name), signal.SIGKILL)
    _, said = begun.communicate(timeout=120)
    assert begun.returncode == 4, said
    found = newest(checkout)
    assert found.status in ("failed", "host_oom")
    assert found.cause.startswith("process 1: killed by signal 9")


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # another user's, or gone
        return b""


@pytest.mark.parametrize(
    ("framework", "more"),
    [
        ("torchvision", ("--processes", "2")),
        ("detectron2", ()),
        ("detectron2", ("--num-workers", "1")),
    ],
)
def test_a_broken_image_is_named(
    checkout: Path, tmp_path: Path, framework: str, more: tuple[str, ...]
) -> None:
    root = voc_like_coco(tmp_path)
    images = sorted((root / "train2017").iterdir())
    for image in images:  # headers are whole, so that nothing is seen before it is read
        image.write_bytes(image.read_bytes()[:3000])
    done = call(
        checkout, "train", "maskrcnn", "--framework", framework, "--dataset", str(root), *more
    )
    assert done.returncode == (4 if "--num-workers" in more else 5), done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "not a readable image" in last
    assert "train2017" in last
    if "--num-workers" not in more:
        assert list((checkout / "results/cpu").iterdir()) == []


def voc_like_coco(folder: Path) -> Path:
    """A copy of the embedded dataset in COCO's layout."""
    import shutil

    from detbench.datasets import open_dataset

    made = open_dataset("embedded").train.images.parent
    return Path(shutil.copytree(made, folder / "coco"))


def as_voc(folder: Path) -> Path:
    """The embedded dataset as VOCdevkit/VOC2007: its shapes go under VOC's names."""
    from PIL import Image

    from detbench.datasets import open_dataset

    made = open_dataset("embedded")
    base = folder / "VOCdevkit/VOC2007"
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (base / name).mkdir(parents=True)
    for image_set, split, first in (("trainval", made.train, 1), ("test", made.val, 5001)):
        document = json.loads(split.annotations.read_bytes())
        names = []
        for number, image in enumerate(document["images"][:40], first):
            names.append(f"{number:06d}")
            with Image.open(split.images / image["file_name"]) as opened:
                opened.convert("RGB").save(base / "JPEGImages" / f"{number:06d}.jpg", quality=95)
            objects = ""
            for annotation in document["annotations"]:
                if annotation["image_id"] == image["id"]:
                    x, y, width, height = annotation["bbox"]
                    label = ("person", "tvmonitor", "sofa")[annotation["category_id"] - 1]
                    objects += (
                        f"<object><name>{label}</name><difficult>0</difficult><bndbox>"
                        f"<xmin>{round(x) + 1}</xmin><ymin>{round(y) + 1}</ymin>"
                        f"<xmax>{round(x + width)}</xmax><ymax>{round(y + height)}</ymax>"
                        "</bndbox></object>"
                    )
            (base / "Annotations" / f"{number:06d}.xml").write_text(
                f"<annotation><filename>{number:06d}.jpg</filename><size><width>128</width>"
                f"<height>128</height></size>{objects}</annotation>"
            )
        (base / "ImageSets/Main" / f"{image_set}.txt").write_text("\n".join(names) + "\n")
    return folder


@pytest.mark.parametrize(
    ("family", "framework"),
    [("faster_rcnn", "detectron2"), ("faster_rcnn", "torchvision"), ("efficientdet", "effdet")],
)
def test_voc_is_trained_on_and_evaluated_by_its_rules(
    checkout: Path, tmp_path: Path, family: str, framework: str
) -> None:
    environment = {"DETECTRON2_DATASETS": str(as_voc(tmp_path / "data"))}
    common = (family, "--framework", framework, "--dataset", "voc2007")
    (trained,) = rows(
        call(checkout, "train", *common, "--iterations", "8", "--format", "json", env=environment)
    )
    assert {"VOC mAP", "VOC mAP 11 points"} <= set(trained)
    file = Path(trained["run"]) / "model_final.pth"
    done = call(checkout, "eval", *common, "--weights", str(file), env=environment)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if ": " in line]
    assert [line.split(":")[0] for line in lines[:3]] == ["aeroplane", "bicycle", "bird"]
    assert lines[0].endswith("n/a, no object of it")
    named = dict(line.split(": ") for line in lines)
    assert len(named) == 22  # 20 classes and both means
    assert 100 * float(named["avg mAP"]) == pytest.approx(trained["VOC mAP"])
    assert 100 * float(named["avg mAP (11-point)"]) == pytest.approx(trained["VOC mAP 11 points"])
    known = [float(named[name]) for name in ("person", "sofa", "tvmonitor")]
    assert sum(known) / 3 == pytest.approx(float(named["avg mAP"]))


@pytest.mark.parametrize(("family", "framework"), FRAMEWORKS)
def test_weights_are_evaluated_as_they_were_trained(
    trained: Callable[[str, str], Trained], checkout: Path, family: str, framework: str
) -> None:
    whole = trained(family, framework)
    file = str(whole.folder / "model_final.pth")
    weights_of = (family, "--framework", framework, "--weights", file)
    (found,) = rows(call(checkout, "eval", *weights_of, "--format", "json"))
    assert found["box AP"] == pytest.approx(whole.row["box AP"], abs=1e-6)
    assert found["mode"] == "evaluation"
    assert "_eval_" in Path(found["run"]).name
    other = (
        "faster_rcnn",
        "--framework",
        "detectron2" if framework != "detectron2" else "torchvision",
    )
    refused = call(checkout, "eval", *other, "--weights", file)
    assert refused.returncode == 5, refused.stderr
    assert "weights of another architecture" in refused.stderr.splitlines()[-1]


def test_throughput_is_measured_with_repeats_and_processes(checkout: Path) -> None:
    done = call(
        checkout, "throughput", "maskrcnn", "--start", "2", "--count", "4", "--batch-sizes", "2",
        "--processes", "1,2", "--repeats", "2", "--format", "json",
    )  # fmt: skip
    one, two = rows(done)
    assert (one["processes"], two["processes"]) == (1, 2)
    assert (one["batch size"], two["batch size"]) == (2, 4)
    assert (one["repeats"], one["iterations"], one["warm-up"]) == (2, "[2, 6)", 2)
    assert one["± 95 %"] >= 0
    assert one["efficiency (%)"] == pytest.approx(100)
    assert two["efficiency (%)"] == pytest.approx(100 * two["images/s"] / 2 / one["images/s"])
    assert two["images/s per process"] == pytest.approx(two["images/s"] / 2)


@pytest.mark.everyday
@pytest.mark.parametrize(("family", "framework"), FRAMEWORKS)
def test_both_logs_tell_the_same(
    trained: Callable[[str, str], Trained], checkout: Path, family: str, framework: str
) -> None:
    whole = trained(family, framework)
    with (whole.folder / "iterations.csv").open() as stream:
        seconds = [float(row["time (s)"]) for row in csv.DictReader(stream)]
    # Behind the warm-up of 20: log.txt has means, metrics.json a median for each report.
    measured = seconds[20:45]
    lines = (whole.folder / "metrics.json").read_text().splitlines()
    times = [line["time"] for line in map(json.loads, lines) if "time" in line]
    expected = {
        "log.txt": ("images/s", 2 * 25 / sum(measured)),
        "metrics.json": ("images/s (median)", 2 / median(times[1:])),
    }
    told = {}
    for name in ("metrics.json", "log.txt"):
        log = str(whole.folder / name)
        done = call(checkout, "throughput-util", log, "--by", "evaluation", "--format", "json")
        told[name] = rows(done)
        speed = rows(call(checkout, "throughput-util", log, "--format", "json"))[0]
        assert speed["batch size"] == 2
        assert speed["iterations"] == 25
        column, images = expected[name]
        assert speed[column] == pytest.approx(images, rel=0.05)
    assert [row["iteration"] for row in told["log.txt"]] == [19, 39, 44]
    for ours, theirs in zip(told["log.txt"], told["metrics.json"], strict=True):
        assert ours["iteration"] == theirs["iteration"]
        assert ours["box AP"] == pytest.approx(theirs["box AP"], abs=1e-4)
    target = ("--target", "box=0")
    log = str(whole.folder / "log.txt")
    (row,) = rows(call(checkout, "throughput-util", log, *target, "--format", "json"))
    assert row["clock"] == "wall time"


def test_two_machines_meet(checkout: Path) -> None:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = (
        "run", "maskrcnn", "--start", "0", "--count", "3", "--nodes", "2", "--rendezvous",
        f"127.0.0.1:{port}", "--format", "json",
    )  # fmt: skip
    machines = [
        started(checkout, *command, "--node-rank", str(rank), "--results", f"machine{rank}")
        for rank in (0, 1)
    ]
    said = [machine.communicate(timeout=200) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], said
    first, second = (json.loads(out)[0] for out, _ in said)
    assert first["images/s"] > 0
    assert second["images/s"] is None  # the first machine's process speaks for all


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("train", "maskrcnn", "--nodes", "2"), 2, ("--rendezvous HOST:PORT",)),
        (("train", "maskrcnn", "--node-rank", "1"), 2, ("for several machines",)),
        (
            ("train", "maskrcnn", "--nodes", "2", "--node-rank", "2", "--rendezvous", "a:1"),
            2,
            ("the last of 2 machines is 1",),
        ),
        (("train", "maskrcnn", "--processes", "3"), 2, ("cannot be shared equally",)),
        (("time-to-train", "maskrcnn"), 2, ("--target",)),
        (("time-to-train", "maskrcnn", "--target", "box"), 2, ("no NAME=PERCENT",)),
        (("time-to-train", "maskrcnn", "--target", "VOC mAP=9"), 2, ("embedded is not measured",)),
        (("eval", "maskrcnn"), 2, ("--weights FILE",)),
        (("eval", "maskrcnn", "--weights", "zoo"), 2, ("no trained mask_rcnn_R_18_FPN_tiny",)),
        (("train", "maskrcnn", "--dataset", "voc2007"), 3, ("VOC2007", "does not exist")),
        (("train", "maskrcnn", "--dataset", "/nowhere"), 3, ("/nowhere does not exist",)),
        (("data", "download", "yolo"), 2, ("no archives of 'yolo'", "coco")),
        (("data", "verify", "/nowhere"), 3, ("/nowhere does not exist",)),
    ],
)
def test_bad_input_is_one_line(
    checkout: Path, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    done = call(checkout, *arguments, env={"DETECTRON2_DATASETS": str(checkout / "none")})
    lines = done.stderr.strip().splitlines()
    done.stderr = lines[-1]  # before it stands how far it was
    assert_refused(done, code, *words)


def test_a_port_in_use_is_named(checkout: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        meeting = ("--nodes", "2", "--rendezvous", f"127.0.0.1:{port}")
        done = call(checkout, "train", "maskrcnn", *meeting)
    assert_refused(done, 3, f"port {port} cannot be listened on", "Address already in use")


def test_a_dataset_without_what_it_lists_is_refused_before_training(
    checkout: Path, tmp_path: Path
) -> None:
    root = voc_like_coco(tmp_path)
    (root / "train2017" / "000007.png").unlink()
    done = call(checkout, "train", "maskrcnn", "--dataset", str(root))
    assert done.returncode == 5
    last = done.stderr.strip().splitlines()[-1]
    assert "it lists 000007.png" in last
    assert "instances_train2017.json" in last
    empty = json.loads((root / "annotations/instances_train2017.json").read_bytes())
    empty["annotations"] = []
    empty["images"] = empty["images"][:3]
    (root / "annotations/instances_train2017.json").write_text(json.dumps(empty))
    for framework in ("torchvision", "detectron2"):
        done = call(checkout, "train", "maskrcnn", "--framework", framework, "--dataset", str(root))
        assert done.returncode == 5
        assert "no image with a usable object" in done.stderr.strip().splitlines()[-1]
    assert list((checkout / "results/cpu").iterdir()) == []


SMALL = ("INPUT.MIN_SIZE_TRAIN=[96]", "INPUT.MAX_SIZE_TRAIN=128")


def test_without_a_network_a_benchmark_starts_from_random_weights(checkout: Path) -> None:
    """The real R50-FPN: with frozen norms and the schedule's rate it is NaN after four iterations.

    Tests have no network; the name of the zoo's host does not resolve.
    """
    smaller = [word for key in SMALL for word in ("--override", key)]
    arguments = (
        "run", "maskrcnn", "--mode", "noprofile", "--device", "cpu", "--model",
        "mask_rcnn_R_50_FPN_1x", "--dataset", "embedded", "--weights", "zoo", "--batch-sizes", "1",
        "--start", "3", "--count", "6", *smaller,
    )  # fmt: skip
    nowhere = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    done = call(checkout, *arguments, env=nowhere)
    assert done.returncode == 0, done.stderr
    assert "random weights, for speed and memory, not accuracy" in done.stderr
    kept = newest(checkout)
    assert kept.environment["weights"].startswith("random, as weights detectron2://")
    assert kept.environment["learning_rate"] == 1e-9
    assert kept.throughput is not None
    (kind,) = kept.throughput.flops
    assert kind == "float32"
    assert kept.throughput.flops[kind] > 1e9  # of an image of 96 pixels
    refused = call(checkout, "train", *arguments[1:2], *arguments[4:10], "--weights", "zoo",
                   "--iterations", "9", env=nowhere)  # fmt: skip
    assert refused.returncode == 3, refused.stderr
    assert "R-50.pkl cannot be read" in refused.stderr.splitlines()[-1]


def test_bare_upstream_trains_what_the_suite_trains(tmp_path: Path) -> None:
    """From the same random weights at the same rate: else R50-FPN is NaN, and upstream stops."""
    request = Request(
        model="mask_rcnn_R_50_FPN_1x", batch_sizes=(1,), device="cpu", dataset="embedded",
        weights="random", start=6, count=2,
        overrides={"INPUT.MIN_SIZE_TRAIN": [96], "INPUT.MAX_SIZE_TRAIN": 128},
    )  # fmt: skip
    (spec,) = plan(load_family("maskrcnn"), MODES["noprofile"], request, None, purpose="window")
    file = tmp_path / "spec.json"
    file.write_text(spec.model_dump_json())
    done = subprocess.run(
        [sys.executable, "-m", "detbench.training.bare", file, tmp_path],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = filter(None, map(parse, done.stdout.splitlines()))
    (seconds,) = [event["seconds"] for event in events if event["event"] == "clock"]
    assert seconds > 0


def test_precision_and_layout_are_recorded(checkout: Path) -> None:
    done = call(
        checkout, "run", "maskrcnn", "--mode", "noprofile", "--device", "cpu", "--framework",
        "torchvision", "--batch-sizes", "1", "--start", "3", "--count", "2", "--channels-last",
        "--precision", "bf16",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kept = newest(checkout)
    assert (kept.spec.channels_last, kept.spec.precision) == (True, "bf16")
    assert kept.throughput is not None
    assert set(kept.throughput.flops) >= {"bfloat16"}
    assert (kept.throughput.energy_joules, kept.throughput.energy_source) == (
        None,
        "trained on a CPU",
    )
    refused = call(checkout, "run", "maskrcnn", "--device", "cpu", "--compile", "--deterministic")
    assert_refused(refused, 2, "--compile may choose other operators")
