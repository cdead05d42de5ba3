"""What the doctor says of this machine, whatever it is."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detbench.gpus.discovery import Gpu
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


HOPPER = Gpu("GPU-1", "NVIDIA H100 80GB HBM3", 80 << 30, (9, 0), "580", is_mig=False)
NOT_REGISTERED = {"Runtimes": {"runc": {}}, "SecurityOptions": ["name=seccomp"]}


def test_an_engine_with_the_runtime_gives_gpus() -> None:
    assert doctor._gpu_access({"Runtimes": {"nvidia": {}}}).state == doctor.OK


def test_an_engine_with_cdi_gives_gpus(tmp_path: Path) -> None:
    told = {**NOT_REGISTERED, "CDISpecDirs": [str(tmp_path)]}
    other = tmp_path / "vendor.yaml"
    other.write_text("kind: vendor.com/nic\n")
    assert doctor._gpu_access(told).state == doctor.MISSING
    (tmp_path / "nvidia.yaml").write_text("cdiVersion: 0.5.0\nkind: nvidia.com/gpu\n")
    check = doctor._gpu_access(told)
    assert (check.state, check.detail) == (doctor.OK, f"CDI: {tmp_path / 'nvidia.yaml'}")


def test_an_engine_with_the_toolkits_hook_gives_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told = {**NOT_REGISTERED, "CDISpecDirs": [str(tmp_path)]}
    check = doctor._gpu_access(told)
    assert check.state == doctor.MISSING
    assert "nvidia-ctk runtime configure" in check.detail
    hook = tmp_path / "nvidia-container-runtime-hook"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    assert doctor._gpu_access(told).state == doctor.OK


def test_a_program_that_holds_the_counters_is_named(tmp_path: Path) -> None:
    """A real process of that name: the doctor looks for it in /proc."""
    assert doctor._counter_holders([]).state == doctor.OK
    program = tmp_path / "nv-hostengine"
    shutil.copy2(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "60"]) as process:
        try:
            # On a busy machine the kernel names a process only after Popen has returned.
            name = Path(f"/proc/{process.pid}/comm")
            while name.read_text().strip() != program.name:
                assert process.poll() is None
                time.sleep(0.001)
            check = doctor._counter_holders([])
            on_hopper = doctor._counter_holders([HOPPER])
        finally:
            process.kill()
    assert check.state == doctor.MISSING
    assert check.detail.startswith("nv-hostengine runs here")
    assert "dcgmi profile --pause" in check.detail
    assert on_hopper.state == doctor.OK  # there it measures by NVML's GPM


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


def test_a_rootless_engine_is_said_to_be_one() -> None:
    rootless = {"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}
    (check,) = doctor._rootless(rootless)
    assert "NVreg_RestrictProfilingToAdminUsers=0" in check.detail
    assert doctor._rootless(NOT_REGISTERED) == []
