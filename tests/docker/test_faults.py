"""What goes wrong with containers: one line, a right record, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from detbench.errors import MissingError
from detbench.launch import docker as launched
from detbench.launch.container import ContainerLauncher
from detbench.records.spec import RunRecord
from tests.conftest import ROOT, Run, assert_refused

pytestmark = pytest.mark.docker

_RUN = [
    "bash", str(ROOT / "benchmarks/maskrcnn/run.sh"),
    "--model", "mask_rcnn_R_18_FPN_tiny", "--dataset", "embedded", "--mode", "noprofile",
    "--launcher", "docker", "--gpus", "none",
]  # fmt: skip


def started(results: Path, *options: str, host: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, **({"DOCKER_HOST": host} if host else {})}
    return subprocess.Popen(
        [*_RUN, "--results", str(results), "--dataset-dir", str(results.parent / "d"), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=180)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def record(results: Path) -> RunRecord:
    (file,) = results.glob("cpu*/[!.]*/run.json")
    assert not list(results.glob("cpu*/.*"))
    return RunRecord.model_validate_json(file.read_bytes())


def wait_for_training(process: subprocess.Popen[str], words: str = "training 0/") -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"it ended before it trained: {process.wait()}")


def test_no_engine(run_in_container: Run) -> None:
    nowhere = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    assert_refused(run_in_container(environment=nowhere), 3, "Docker's engine is not running")


def test_no_image(image: str, tmp_path: Path) -> None:
    launcher = ContainerLauncher("nosuch", tmp_path)
    with pytest.raises(MissingError, match=r"no image detbench/nosuch.*; bash build_image"):
        launcher.has_program("nsys")


def test_a_gpu_without_the_nvidia_runtime(run_in_container: Run) -> None:
    done = run_in_container("--gpus", "0", "--", "true")
    if done.returncode == 0:
        pytest.skip("this engine can give a container a GPU")
    assert done.returncode == 3
    assert "Docker cannot give a container a GPU" in done.stderr
    assert "--gpus none" in done.stderr


def test_out_of_memory(image: str, tmp_path: Path) -> None:
    # Enough to load torch: below that a cold page cache makes the kernel reclaim code for minutes.
    done = ended(started(tmp_path / "r", "--memory-limit", "900m", "--batch-sizes", "64"))
    assert done.returncode == 4, done.stderr
    found = record(tmp_path / "r")
    assert found.status == "host_oom"
    assert "out of memory" in found.cause
    assert found.exit_code == 137


def test_the_time_limit(image: str, tmp_path: Path) -> None:
    done = ended(started(tmp_path / "r", "--count", "9999", "--time-limit", "8"))
    assert done.returncode == 4, done.stderr
    assert record(tmp_path / "r").status == "timeout"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_user_ends_it(image: str, tmp_path: Path, number: signal.Signals) -> None:
    process = started(tmp_path / "r", "--count", "9999")
    wait_for_training(process)
    os.killpg(process.pid, number)
    done = ended(process)
    assert done.returncode != 0
    assert record(tmp_path / "r").status == "interrupted"


def test_the_engine_goes_away(image: str, tmp_path: Path, checkout: Path) -> None:
    with _relay(tmp_path / "relay.sock") as (address, stop):
        process = started(tmp_path / "r", "--count", "9999", host=address)
        wait_for_training(process)
        stop()
        done = ended(process)
    assert done.returncode == 4, done.stderr
    found = record(tmp_path / "r")
    assert (found.status, found.cause) == ("failed", "Docker's engine went away during the run")
    # Nobody could remove the container: it is found by its label.
    assert "removed container" in cleaned(checkout, tmp_path / "r")


def test_clean_removes_what_a_killed_run_left(image: str, tmp_path: Path, checkout: Path) -> None:
    process = started(tmp_path / "r", "--count", "9999")
    wait_for_training(process, "loading torch")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    found = cleaned(checkout, tmp_path / "r", "--dry-run")
    assert "would remove container" in found
    assert "would remove " + str(next((tmp_path / "r" / "cpu").glob(".running-*"))) in found
    assert "removed container" in cleaned(checkout, tmp_path / "r")
    assert not list((tmp_path / "r" / "cpu").iterdir())
    assert cleaned(checkout, tmp_path / "r") == "nothing is left behind\n"


def cleaned(checkout: Path, results: Path, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "detbench", "clean", "--results", str(results), *options],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_runs_at_once(image: str, tmp_path: Path) -> None:
    both = [started(tmp_path / "r", "--count", "2", "--start", "1") for _ in range(2)]
    assert [ended(process).returncode for process in both] == [0, 0]
    records = list((tmp_path / "r").glob("cpu/[!.]*/run.json"))
    assert len(records) == 2


@contextmanager
def _small_disk(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_the_disk_is_full(image: str, tmp_path: Path) -> None:
    """The training cannot write its log any more; its record still can be."""
    with _small_disk(tmp_path / "r", "size=120k"):
        (tmp_path / "r" / "full").write_bytes(bytes(36 << 10))
        done = ended(started(tmp_path / "r"))
        assert done.returncode == 4, done.stderr
        assert "No space left on device" in done.stderr.splitlines()[-1]
        found = record(tmp_path / "r")
    assert found.status == "failed"
    assert "No space left on device" in found.cause


def test_the_disk_is_full_from_the_start(image: str, tmp_path: Path) -> None:
    with _small_disk(tmp_path / "r", "size=40k"):
        assert_refused(ended(started(tmp_path / "r")), 3, "No space left on device")
        assert not list((tmp_path / "r" / "cpu").iterdir())


def test_the_results_cannot_be_written(image: str, tmp_path: Path) -> None:
    with _small_disk(tmp_path / "r", "size=1m,ro"):
        done = ended(started(tmp_path / "r"))
    assert_refused(done, 3, "cannot be written: Read-only file system")


@contextmanager
def _relay(path: Path) -> Iterator[tuple[str, object]]:
    """The engine behind a socket of ours, which goes away when told to."""
    open_sockets: list[socket.socket] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(1 << 16):
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                ours, _ = listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect("/var/run/docker.sock")
                open_sockets.extend((ours, engine))
                for pair in ((ours, engine), (engine, ours)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()

    def stop() -> None:
        path.unlink()
        listener.close()
        for one in open_sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        time.sleep(0.1)

    try:
        yield f"unix://{path}", stop
    finally:
        with suppress(OSError):
            stop()


def test_our_containers_are_told_from_others(image: str) -> None:
    with launched.engine() as client:
        other = client.containers.create(image, ["true"])
        try:
            assert other.id not in {c.id for c in launched.leftovers(client)}
        finally:
            other.remove()
