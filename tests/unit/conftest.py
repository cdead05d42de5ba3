"""A place to run commands in: a checkout of its own, with files that runs and profilers left."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import make_kineto
import make_ncu_log
import pytest

from detbench import checkout as checkouts
from tests.builders import MEMORY, MONITORING
from tests.conftest import ROOT


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkout that commands take for theirs, its folder being the working one."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("detbench", "docker", "parsers", "scripts"):
        (checkout / name).symlink_to(ROOT / name)
    # What is switched is written here.
    shutil.copytree(
        ROOT / "benchmarks", checkout / "benchmarks", ignore=shutil.ignore_patterns(".mode")
    )
    monkeypatch.setattr(checkouts, "_PACKAGE", checkout / "detbench")
    monkeypatch.chdir(checkout)
    run = checkout / "results/cpu/m_bs4_noprofile_1"
    run.mkdir(parents=True)
    make_ncu_log.write(checkout / "results/nsight_bs2.csv", 20)
    make_ncu_log.write(run / "nsight_bs4.csv", 20)
    make_kineto.write(checkout / "trace.json", 20)
    packed = gzip.compress((checkout / "trace.json").read_bytes())
    (checkout / "results/torch_bs4.pt.trace.json.gz").write_bytes(packed)
    (checkout / "results/memory_csv_data").mkdir()
    (checkout / "results/memory_csv_data/memory_bs4.csv").write_text(MEMORY)
    (checkout / "monitoring.csv").write_text(MONITORING)
    reports = [
        {"iteration": 19, "time": 0.5, "data_time": 0.1, "total_loss": 2.0, "lr": 0.02},
        {"iteration": 39, "time": 0.5, "data_time": 0.1, "total_loss": 1.0, "lr": 0.02},
        {"iteration": 59, "time": 0.5, "data_time": 0.1, "total_loss": 0.5, "lr": 0.02,
         "bbox/AP": 40.0, "segm/AP": 35.0},
    ]  # fmt: skip
    text = "".join(f"{json.dumps(report)}\n" for report in reports)
    for name in ("log.txt", "results/cpu/m_bs4_noprofile_1/metrics.json"):
        (checkout / name).write_text(text)
    return checkout


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
