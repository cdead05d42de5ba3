"""`detbench sweep` as a user meets it, as far as no training is needed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import assert_refused
from tests.unit.test_sweep_running import kept, specs


def sweep(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [
        sys.executable, "-m", "detbench", "sweep", "maskrcnn", "--device", "cpu",
        "--batch-sizes", "1,2,4", "--results", str(root), *arguments,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_dry_run_shows_what_is_left_and_makes_nothing(tmp_path: Path) -> None:
    done = sweep(tmp_path / "r", "--dry-run", "--memory-limit", "900m")
    assert done.returncode == 0, done.stderr
    assert "sweep of 3 cells on cpu-900MiB: at most 2 runs left, time unknown" in done.stdout
    assert done.stdout.count("not tried") == 3
    assert not (tmp_path / "r").exists()


def test_a_dry_run_shows_what_the_results_decide(tmp_path: Path) -> None:
    kept(tmp_path, specs()[1], "ok")
    kept(tmp_path, specs()[2], "host_oom", "killed by signal 9")
    shown = sweep(tmp_path, "--dry-run").stdout
    assert "at most 0 runs left" in shown
    assert "fits (implied by 2)   7 img/s   host_oom" in shown
    assert "bs4 noprofile: host_oom: killed by signal 9" in shown
    cells = json.loads(sweep(tmp_path, "--dry-run", "--format", "json").stdout)
    assert [cell["source"] for cell in cells] == ["implied", "measured", "measured"]


def test_what_is_decided_is_printed_and_kept_without_a_run(tmp_path: Path) -> None:
    kept(tmp_path, specs()[2], "ok")
    done = sweep(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "7 img/s" in done.stdout
    assert len(list(tmp_path.glob("cpu/feasibility_*"))) == 2


def test_what_a_mode_lacks_ends_it_after_the_matrix_so_far(tmp_path: Path) -> None:
    kept(tmp_path, specs()[2], "ok")
    done = sweep(tmp_path, "--modes", "noprofile,nsight")
    assert done.returncode == 3
    assert "7 img/s" in done.stdout
    assert "mode nsight lacks an NVIDIA GPU" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--gpu-profile", "A100D-2-20C"), 3, "A100D-2-20C: runs here would be on cpu"),
        (("--memory-limit", "lots"), 2, "'lots' is not an amount of memory"),
        (("--models", "yolo"), 2, "maskrcnn has no model 'yolo'"),
        (("--modes", "fast"), 2, "no mode 'fast'"),
        (("--heat-map", "pyproject.toml"), 2, "pyproject.toml exists already"),
    ],
)
def test_a_wrong_request_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    assert_refused(sweep(tmp_path, *arguments), code, words)
    assert list(tmp_path.iterdir()) == []
