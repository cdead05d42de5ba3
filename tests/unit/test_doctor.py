"""What the doctor says of this machine, whatever it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from detbench.records import store
from detbench.running import doctor
from tests.conftest import assert_refused


def detbench(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "detbench", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_every_line_is_ok_missing_or_unknown_and_says_more() -> None:
    done = detbench("doctor", "--json", DOCKER_HOST="unix:///nowhere.sock")
    rows = {row["what"]: row for row in json.loads(done.stdout)}
    assert {row["state"] for row in rows.values()} <= {"ok", "missing", "unknown"}
    assert all(row["detail"] for row in rows.values())
    assert rows["Docker engine"]["state"] == "missing"
    assert "systemctl start docker" in rows["Docker engine"]["detail"]
    for what in ("GPU", "nsys", "ncu", "GPU counters permission", "disk for results"):
        assert what in rows


def test_the_exit_code_is_about_the_mode_that_was_asked_for() -> None:
    done = detbench("doctor", "--mode", "dlprof", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 3
    assert "mode dlprof cannot run here: it lacks " in done.stderr
    assert_refused(detbench("doctor", "--mode", "nosuch"), 2, "known: ")


def test_a_disk_without_room_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_DISK_BYTES", 1 << 62)
    checks = {check.what: check for check in doctor.of_machine(tmp_path / "not" / "there")}
    assert checks["disk for results"].state == doctor.MISSING
    assert str(tmp_path) in checks["disk for results"].detail


def test_folders_of_runs_whose_process_is_gone(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    host = store._host()
    gone = subprocess.Popen(["true"])
    gone.wait()
    names = {
        f".running-m-{host}-{gone.pid}-abc": True,
        f".running-m-{host}-{os.getpid()}-abc": False,
        f".running-m-elsewhere-{gone.pid}-abc": False,
        f"m_bs2_torch_{gone.pid}": False,
    }
    for name in names:
        (tmp_path / "cpu" / name).mkdir()
    found = {folder.name for folder in store.abandoned(tmp_path)}
    assert found == {name for name, is_gone in names.items() if is_gone}
