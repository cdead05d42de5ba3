"""A family's scripts in its container, and runs that are started from the host."""

from __future__ import annotations

import json
import os
import pty
import select
import sqlite3
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from detbench.launch import docker as launched
from detbench.launch import images
from detbench.readers.monitoring import read_monitoring
from detbench.records.spec import RunRecord
from tests.conftest import BASE_IMAGE, ROOT, Run, assert_refused
from tests.docker.conftest import build, script

pytestmark = pytest.mark.docker

_SMALL = "--model mask_rcnn_R_18_FPN_tiny --dataset embedded --device cpu"


def test_the_handshake(run_in_container: Run, parser: Run, tmp_path: Path) -> None:
    done = run_in_container(
        "--gpus",
        "none",
        text=f"""set -e
pwd; ls; id -u
bash setup.sh
bash switch.sh noprofile
bash train.sh {_SMALL} --iterations 6
bash switch.sh memory
bash run.sh {_SMALL} --start 1 --count 1
bash switch.sh torch
bash profile.sh torch {_SMALL} --start 1 --count 1
bash switch.sh nsight
bash profile.sh nsight || echo "refused with $?"
""",
    )
    assert done.returncode == 0, done.stderr
    assert "/opt/detbench/benchmarks/maskrcnn" in done.stdout
    assert "refused with 3" in done.stdout
    assert "mode nsight lacks an NVIDIA GPU" in done.stderr
    assert "mode noprofile, GPUs none" in done.stderr
    measured = tmp_path / "scratch" / "measurements"
    records = [RunRecord.model_validate_json(f.read_bytes()) for f in measured.glob("*/*/run.json")]
    assert sorted(record.spec.mode for record in records) == ["memory", "noprofile", "torch"]
    assert {record.status for record in records} == {"ok"}
    trace = parser("compute_util.py", measured / "torch_bs4.pt.trace.json.gz", "--device", "cpu")
    assert "profiled iterations" in trace.stdout, trace.stderr
    parts = parser("memory_util.py", measured / "memory_csv_data" / "memory_bs4.csv")
    assert parts.returncode == 0, parts.stderr
    assert "weights" in parts.stdout


def test_efficientdet_in_its_image(tmp_path: Path) -> None:
    build("efficientdet")
    folders = ("--dataset-dir", f"{tmp_path}/dataset", "--scratch-dir", f"{tmp_path}/scratch")
    command = (
        "bash setup.sh && bash switch.sh noprofile && bash train.sh --dataset embedded --device cpu"
        " --model efficientdet_r18_tiny --iterations 6 --processes 2"
    )
    done = script(
        "run_container.sh", *folders, "--gpus", "none", "--", "bash", "-c", command,
        family="efficientdet",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = (tmp_path / "scratch" / "measurements" / "cpu").glob("*/run.json")
    record = RunRecord.model_validate_json(file.read_bytes())
    assert (record.status, record.spec.world_size) == ("ok", 2)
    assert record.environment["effdet"]
    assert (file.parent / "training_curve.png").is_file()


def test_a_run_from_the_host(image: str, checkout: Path, tmp_path: Path) -> None:
    results = tmp_path / "kept"
    asked = f"{_SMALL} --mode torch --start 1 --count 1 --launcher docker --gpus none"
    limits = f"--memory-limit 6g --cpus 2 --results {results} --dataset-dir {tmp_path}/data"
    options = f"{asked} {limits} --format json".split()
    done = script("run.sh", *options, root=checkout)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    record = RunRecord.model_validate_json((Path(row["run"]) / "run.json").read_bytes())
    assert record.environment["image"] == image
    assert record.environment["image_id"].startswith("sha256:")
    assert record.environment["limits"] == {"memory": 6 << 30, "cpus": 2}
    assert record.command[0] == launched.PYTHON
    assert (results / "torch_bs4.pt.trace.json.gz").is_file()
    samples = read_monitoring(Path(row["run"]) / "monitoring.csv")
    assert samples["run's memory (MiB)"].max() > 100  # of the container's torch, seen from here


@pytest.fixture
def caller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    """The uid of somebody who is not root, and whose folder is the test's."""
    uid = os.getuid() or 12345
    monkeypatch.setattr(os, "getuid", lambda: uid)
    os.chown(tmp_path, uid, -1)
    return uid


def test_a_container_is_the_callers_and_has_what_was_asked_for(
    image: str, tmp_path: Path, caller: int
) -> None:
    asks = "id -u; df -m --output=size /dev/shm | tail -1; touch /dataset/x"
    wanted = launched.Wanted(
        family="maskrcnn",
        image=image,
        command=("bash", "-c", f"{asks}; echo kept > /scratch/x"),
        writable=((tmp_path, "/scratch"),),
        read_only=((tmp_path, "/dataset"),),
        limits=launched.Limits(shm_size="123m", memory="1g", cpus=1),
    )
    with launched.engine() as client, launched.started(client, wanted) as container:
        container.wait()
        said = container.logs().decode().splitlines()
        host = container.attrs["HostConfig"]
    assert [said[0], said[1].strip()] == [str(caller), "123"]
    assert "Read-only file system" in said[2]
    assert (tmp_path / "x").stat().st_uid == caller
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (1 << 30, 1 << 30, 10**9)
    assert not host["Privileged"]
    assert not host["CapAdd"]


def test_counters_are_a_capability_of_the_caller_and_no_more(image: str, caller: int) -> None:
    wanted = launched.Wanted(
        family="maskrcnn",
        image=image,
        command=("grep", "-E", "Cap(Eff|Amb)|Uid", "/proc/self/status"),
        counters=True,
    )
    with launched.engine() as client, launched.started(client, wanted) as container:
        container.wait()
        said = container.logs().decode()
        assert container.attrs["HostConfig"]["CapAdd"] == ["SYS_ADMIN"]
    status = dict(line.split(":\t") for line in said.strip().splitlines())
    # CAP_SYS_ADMIN is number 21 in capabilities(7).
    assert (int(status["CapEff"], 16), int(status["CapAmb"], 16)) == (1 << 21, 1 << 21)
    assert status["Uid"].split("\t") == [str(caller)] * 4


def test_a_shell_on_a_terminal(image: str, checkout: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    script_ = str(checkout / "benchmarks" / "maskrcnn" / "run_container.sh")
    options = f"--gpus none --dataset-dir {tmp_path}/d --scratch-dir {tmp_path}/s".split()
    process = subprocess.Popen(
        ["bash", script_, *options],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    os.write(ours, b"tty && echo this is $((40 + 2)) > /scratch/said; exit 3\n")
    shown = b""
    with suppress(OSError):  # how the end of the other side is told
        while select.select([ours], [], [], 60)[0] and (block := os.read(ours, 4096)):
            shown += block
    os.close(ours)
    assert process.wait(60) == 3
    assert b"/dev/pts/" in shown
    assert (tmp_path / "s" / "said").read_text() == "this is 42\n"


def test_the_mode_of_the_checkout_and_the_exit_code_carry_over(
    image: str, checkout: Path, tmp_path: Path
) -> None:
    script("switch.sh", "memory", root=checkout)
    folders = ("--dataset-dir", f"{tmp_path}/d", "--scratch-dir", f"{tmp_path}/s")
    command = ("--", "bash", "-c", "python -m detbench status; exit 7")
    done = script("run_container.sh", *folders, *command, root=checkout)
    assert done.returncode == 7
    assert "mode memory" in done.stderr
    assert "memory" in done.stdout
    assert (tmp_path / "d").is_dir()


def test_nsys_records_a_training_on_the_cpu(run_in_container: Run, tmp_path: Path) -> None:
    program = """
import torch
with torch.cuda.nvtx.range("iteration 0"):
    torch.nn.Conv2d(3, 8, 3)(torch.zeros(1, 3, 64, 64)).sum().backward()
"""
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "program.py").write_text(program)
    done = run_in_container(
        text="""set -e
timeout -k 5 120 nsys profile --trace=nvtx --sample=none --cpuctxsw=none \
  --output /scratch/trained python /scratch/program.py
nsys export --type sqlite --output /scratch/trained.sqlite /scratch/trained.nsys-rep
"""
    )
    assert done.returncode == 0, done.stdout + done.stderr
    database = tmp_path / "scratch" / "trained.sqlite"
    with sqlite3.connect(database) as connection:
        texts = connection.execute(
            "select coalesce(text, value) from NVTX_EVENTS left join StringIds on textId = id"
        ).fetchall()
    assert ("iteration 0",) in texts
    refused = subprocess.run(
        ["python3", str(ROOT / "parsers" / "compute_util.py"), str(database)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"},
    )
    assert_refused(refused, 5, "CUDA was not traced, or not used")


def test_a_change_makes_an_image_stale(image: str, checkout: Path) -> None:
    with launched.engine() as client:
        assert images.staleness(client, checkout, "maskrcnn") == ""
        (checkout / "detbench" / "suite.py").write_text("# changed\n")
        assert "files have changed since" in images.staleness(client, checkout, "maskrcnn")


def test_a_step_that_fails_is_named(image: str) -> None:
    options = f"--device cpu --base-image {BASE_IMAGE} --build-arg PROFILERS=nosuch".split()
    done = script("build_image.sh", *options)
    assert done.returncode == 4, done.stderr
    assert "no profiler 'nosuch'" in done.stderr
    assert "docker/base.Dockerfile, Step " in done.stderr.splitlines()[-1]
