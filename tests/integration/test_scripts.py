"""Mask R-CNN's scripts as a user runs them: real training on the CPU, a few iterations of it."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from detbench.records.spec import RunRecord
from detbench.suite import family_names, load_family
from tests.conftest import Run, assert_refused

pytestmark = pytest.mark.train


def records(checkout: Path) -> list[RunRecord]:
    files = sorted((checkout / "results").glob("cpu/[!.]*/run.json"))
    return [RunRecord.model_validate_json(file.read_bytes()) for file in files]


def leftovers(checkout: Path) -> list[Path]:
    return list((checkout / "results" / "cpu").glob(".*"))


def test_memory_mode(checkout: Path, script: Run, parser: Run) -> None:
    assert "mode memory" in script("switch.sh", "memory").stdout
    done = script("run.sh", "--format", "json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["status"] == "ok"
    file = checkout / "results" / "memory_csv_data" / "memory_bs4.csv"
    assert file.resolve().is_relative_to(row["run"])
    table = json.loads(parser("memory_util.py", file, "--format", "json").stdout)
    by_category = {r["category"]: r["memory (MiB)"] for r in table}
    assert by_category["gradients"] == pytest.approx(by_category["weights"], rel=0.01)
    (record,) = records(checkout)
    assert record.memory is not None
    total = sum(by_category.values()) * 2**20
    assert record.memory["total"] == pytest.approx(total, rel=1e-9)
    assert record.environment["detectron2_build"]
    assert record.environment["torch"]
    assert not leftovers(checkout)


def test_torch_mode(checkout: Path, script: Run, parser: Run) -> None:
    script("switch.sh", "torch")
    done = script("profile.sh", "torch", "--start", "2", "--count", "2", "--batch-sizes", "1,2")
    assert done.returncode == 0, done.stderr
    assert "training 4/4" in done.stderr
    for batch_size in (1, 2):
        trace = checkout / "results" / f"torch_bs{batch_size}.pt.trace.json.gz"
        done = parser("compute_util.py", trace, "--device", "cpu", "--by", "device", "--json")
        (row,) = json.loads(done.stdout)
        assert row["iterations"] == 2
        assert 10 < row["busy (%)"] <= 100
        # Without a GPU there are no kernels, and no figure for them.
        assert_refused(parser("compute_util.py", trace), 5, "no GPU kernel", "--device cpu")


def test_a_second_framework_through_the_same_scripts(
    checkout: Path, script: Run, parser: Run
) -> None:
    done = script(
        "train.sh", "--framework", "torchvision", "--iterations", "8", "--start", "2",
        "--format", "json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["images/s"] > 0
    assert "box AP" in row
    assert (Path(row["run"]) / "model_final.pth").is_file()
    log = Path(row["run"]) / "metrics.json"
    evaluated = parser("throughput.py", log, "--by", "evaluation", "--format", "json")
    (told,) = json.loads(evaluated.stdout)
    assert (told["iteration"], told["box AP"]) == (7, row["box AP"])
    assert len((Path(row["run"]) / "iterations.csv").read_text().splitlines()) == 1 + 8


def test_the_stock_config_trains_unpatched(checkout: Path, script: Run) -> None:
    done = script(
        "run.sh", "--model", "mask_rcnn_R_50_FPN_1x", "--batch-sizes", "1", "--start", "0",
        "--count", "1", "--learning-rate", "0.0001", "--format", "json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    config = (Path(json.loads(done.stdout)[0]["run"]) / "config.yaml").read_text()
    assert "FREEZE_AT: 2" in config
    assert "NORM: FrozenBN" in config


def test_same_spec_same_losses_and_resume_skips_what_went_well(checkout: Path, script: Run) -> None:
    window = ("--start", "0", "--count", "20", "--batch-sizes", "1")
    runs = [json.loads(script("run.sh", *window, "--format", "json").stdout)[0] for _ in range(2)]
    losses = [
        json.loads((Path(run["run"]) / "metrics.json").read_text())["total_loss"] for run in runs
    ]
    assert losses[0] == losses[1]
    again = json.loads(script("run.sh", *window, "--resume", "--format", "json").stdout)[0]
    assert again["run"] == runs[1]["run"]
    assert len(records(checkout)) == 2


def test_profile_refuses_another_mode_than_the_switched_one(script: Run) -> None:
    script("switch.sh", "memory")
    assert_refused(script("profile.sh", "nsight"), 2, "switched to memory", "switch.sh nsight")
    assert_refused(script("train.sh"), 2, "switched to memory", "switch.sh noprofile")


@pytest.mark.parametrize("mode", ["nvprof", "nsight", "dlprof"])
def test_a_gpu_mode_shows_its_command_and_stops_where_it_can_measure_nothing(
    checkout: Path, script: Run, mode: str
) -> None:
    script("switch.sh", mode)
    shown = script("profile.sh", mode, "--dry-run")
    assert shown.returncode == 0
    # The image of mode dlprof is too old for the suite: one file trains there.
    training = "dlprof_train.py" if mode == "dlprof" else "-m detbench.training"
    assert training in shown.stdout
    assert_refused(script("profile.sh", mode), 3, f"mode {mode} lacks an NVIDIA GPU", "GPU host")
    assert not (checkout / "results").exists()


def test_the_alias_of_the_efficientdet_page(script: Run) -> None:
    assert "mode nvprof" in script("switch.sh", "nvvp").stdout
    assert_refused(script("profile.sh", "nvvp"), 3, "mode nvprof lacks")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("switch.sh", "foo"), 2, ("no mode 'foo'", "noprofile, nvprof, nsight")),
        (("run.sh", "--model", "yolo"), 2, ("no model 'yolo'", "mask_rcnn_R_50_FPN_1x")),
        (("run.sh", "--batch-sizes", "0"), 2, ("batch size 0",)),
        (("run.sh", "--iterations", "10", "--start", "8", "--count", "5"), 2, ("[8, 13)",)),
        (("run.sh", "--device", "cuda"), 3, ("no NVIDIA GPU",)),
        (("build_image.sh",), 3, ("Docker's engine is not running", "systemctl start docker")),
        (("run_container.sh",), 3, ("Docker's engine is not running", "systemctl start docker")),
        (("run_container.sh", "--gpus", "none", "--shm-size"), 2, ("requires an argument",)),
        (("run.sh", "--gpus", "5"), 3, ("--gpus 5", "--gpus none")),
        (("build_image.sh", "--build-arg", "PROFILERS"), 2, ("'PROFILERS' is not NAME=VALUE",)),
    ],
)
def test_bad_input_is_one_line(
    script: Run,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    words: tuple[str, ...],
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert_refused(script(*arguments), code, *words)


def test_a_missing_dataset_is_named_before_anything_is_kept(checkout: Path, script: Run) -> None:
    done = script("run.sh", "--dataset", "/nowhere/coco")
    assert done.returncode == 3
    assert "dataset folder /nowhere/coco does not exist" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not records(checkout)
    assert not leftovers(checkout)


def test_a_crash_in_training_is_a_record_with_its_cause(checkout: Path, script: Run) -> None:
    done = script("run.sh", "--learning-rate", "1e12", "--start", "0", "--count", "10")
    assert done.returncode == 4
    assert "FloatingPointError" in done.stderr.splitlines()[-1]
    (record,) = records(checkout)
    assert record.status == "failed"
    assert "FloatingPointError" in record.cause
    assert "output.log" in [m.path for m in record.measurements]
    assert not leftovers(checkout)


@pytest.fixture
def long_run(
    checkout: Path, request: pytest.FixtureRequest
) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A run without end of each batch size, and the pid of its training once that trains."""
    process, pid = start(checkout, getattr(request, "param", "4"))
    yield process, pid
    for left in (process.pid, pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)
    process.wait()


def start(checkout: Path, batch_sizes: str) -> tuple["subprocess.Popen[str]", int]:
    process = subprocess.Popen(
        ["bash", "run.sh", "--start", "0", "--count", "100000", "--batch-sizes", batch_sizes],
        cwd=checkout / "benchmarks" / "maskrcnn",
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "training" in line:
            break
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True
    )
    pids = [
        int(line.split()[0])
        for line in listed.stdout.splitlines()
        if "-m detbench.training" in line and str(checkout) in line
    ]
    assert len(pids) == 1
    return process, pids[0]


def finish(process: "subprocess.Popen[str]") -> str:
    _, said = process.communicate(timeout=60)
    return said.strip().splitlines()[-1]


def test_a_killed_training_is_a_record_with_its_cause(
    checkout: Path, long_run: tuple["subprocess.Popen[str]", int]
) -> None:
    process, pid = long_run
    os.kill(pid, signal.SIGKILL)
    assert "killed by signal 9" in finish(process)
    assert process.returncode == 4
    (record,) = records(checkout)
    assert record.status in ("failed", "host_oom")
    assert "signal 9" in record.cause
    assert not leftovers(checkout)


@pytest.mark.parametrize("long_run", ["4,2"], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_a_record_and_leaves_nothing_behind(
    checkout: Path, long_run: tuple["subprocess.Popen[str]", int], number: int
) -> None:
    process, pid = long_run
    process.send_signal(number)
    assert "interrupted" in finish(process)
    assert process.returncode == 4
    (record,) = records(checkout)
    assert record.status == "interrupted"
    assert not leftovers(checkout)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def run_limited(checkout: Path, limit: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """run.sh in a shell that first puts a limit on itself."""
    return subprocess.run(
        ["bash", "-c", f"{limit}; exec bash run.sh {shlex.join(arguments)}"],
        cwd=checkout / "benchmarks" / "maskrcnn",
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_memory_that_runs_out_is_a_host_oom(checkout: Path) -> None:
    # The limit is the kernel's own, on the address space; torch's libraries fit, the batch not.
    limit = "ulimit -v 14000000"
    done = run_limited(checkout, limit, "--batch-sizes", "4000", "--count", "2")
    assert done.returncode == 4, done.stderr
    (record,) = records(checkout)
    assert record.status == "host_oom", record.cause
    assert not leftovers(checkout)


@pytest.fixture
def small_memory() -> Iterator[Path]:
    """A control group of 700 MB: enough to load torch, too little for a batch of 16."""
    for base, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = base / f"detbench-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text("700000000")
        except OSError:
            group.rmdir()
            continue
        yield group
        group.rmdir()
        return
    pytest.skip("needs the right to make a memory control group")


def test_a_kill_by_the_kernel_for_lack_of_memory_is_a_host_oom(
    checkout: Path, small_memory: Path
) -> None:
    limit = f"echo $$ > {small_memory}/cgroup.procs"
    done = run_limited(checkout, limit, "--batch-sizes", "16")
    assert done.returncode == 4, done.stderr
    (record,) = records(checkout)
    assert record.status == "host_oom"
    assert record.exit_code == -signal.SIGKILL
    assert "out of memory" in record.cause
    assert not leftovers(checkout)


def test_a_time_limit_is_a_record(checkout: Path, script: Run) -> None:
    done = script("run.sh", "--start", "0", "--count", "100000", "--time-limit", "12")
    assert done.returncode == 4
    assert records(checkout)[0].status == "timeout"


def test_setup_and_status_show_what_there_is(checkout: Path, script: Run) -> None:
    done = script("setup.sh", "--format", "json")
    assert done.returncode == 0, done.stderr
    states = {row["what"]: row["state"] for row in json.loads(done.stdout)}
    assert states["detectron2"] == "ok"
    script("switch.sh", "torch")
    shown = subprocess.run(
        [checkout / ".venv/bin/python", "-m", "detbench", "status", "--format", "json"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=True,
    )
    row = {r["family"]: r for r in json.loads(shown.stdout)}["maskrcnn"]
    assert row["mode"] == "torch"


_BOX_AP = {"box AP", "box AP50", "box AP75"}
_PANOPTIC = {
    *_BOX_AP, "sem_seg mIoU",
    *(f"panoptic_seg {name}" for name in ("PQ", "SQ", "RQ", "PQ_th", "PQ_st")),
}  # fmt: skip


@pytest.mark.parametrize(
    ("framework", "model", "accuracy"),
    [
        ("detectron2", "faster_rcnn_R_18_FPN_tiny", _BOX_AP),
        ("detectron2", "retinanet_R_18_FPN_tiny", _BOX_AP),
        ("detectron2", "rpn_R_18_FPN_tiny", {"box_proposals AR@100", "box_proposals AR@1000"}),
        ("torchvision", "faster_rcnn_R_18_FPN_tiny", _BOX_AP),
        ("torchvision", "retinanet_R_18_FPN_tiny", _BOX_AP),
        ("detectron2", "panoptic_fpn_R_18_tiny", _PANOPTIC),
        ("effdet", "efficientdet_r18_tiny", _BOX_AP),
    ],
)
def test_every_kind_of_model_is_trained_and_evaluated(
    checkout: Path, script: Run, framework: str, model: str, accuracy: set[str]
) -> None:
    family = next(f for f in family_names() if model in load_family(f).models)
    options = ("--framework", framework, "--model", model, "--iterations", "8")
    done = script(f"../{family}/train.sh", *options)
    assert done.returncode == 0, done.stderr
    (record,) = records(checkout)
    assert (record.spec.family, record.status) == (family, "ok")
    # detectron2 has a mask AP only where it has found a mask, which takes longer than this.
    assert {m for m in record.accuracy or {} if not m.startswith("mask")} == accuracy


def test_the_efficientdet_pages_own_script(
    script: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "nowhere"))
    done = script("../efficientdet/train_coco.sh")
    assert done.returncode == 3
    last = done.stderr.strip().splitlines()[-1]
    assert f"dataset folder {tmp_path / 'nowhere'} does not exist" in last
    assert "detbench data download coco" in last
