"""Trainings that several tests look at: each is done once, in a checkout of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from detbench.records.spec import RunRecord
from tests.conftest import copied

FRAMEWORKS = [
    # What looks at the training of a framework stays in the process that has done it.
    pytest.param(family, framework, marks=pytest.mark.xdist_group(framework), id=framework)
    for family, framework in (
        ("maskrcnn", "detectron2"),
        ("maskrcnn", "torchvision"),
        ("efficientdet", "effdet"),
    )
]
NUM_ITERATIONS, EVALUATE_EVERY = 45, 20


def command(family: str, framework: str) -> tuple[str, ...]:
    """A training with checkpoints, evaluations on the way, and the same result every time."""
    return (
        "train", family, "--framework", framework, "--iterations", str(NUM_ITERATIONS),
        "--batch-sizes", "2", "--checkpoint-every", "15", "--evaluate-every", str(EVALUATE_EVERY),
        "--num-workers", "2", "--deterministic", "--format", "json", "--resume",
    )  # fmt: skip


def call(checkout: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """`detbench ARGUMENTS` in a checkout."""
    return subprocess.run(
        [sys.executable, "-m", "detbench", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), **options.get("env", {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def started(checkout: Path, *arguments: str) -> subprocess.Popen[str]:
    """The same, not waited for."""
    return subprocess.Popen(
        [sys.executable, "-m", "detbench", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The JSON that a command printed."""
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def record(folder: str | Path) -> RunRecord:
    """What a run's folder holds."""
    return RunRecord.model_validate_json((Path(folder) / "run.json").read_bytes())


def newest(checkout: Path) -> RunRecord:
    """The record written last."""
    files = sorted((checkout / "results").glob("cpu/[!.]*/run.json"), key=os.path.getmtime)
    return RunRecord.model_validate_json(files[-1].read_bytes())


@dataclass(frozen=True)
class Trained:
    """A training that was done: its row as printed, and its folder."""

    row: dict[str, Any]
    folder: Path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Trained]:
    """The training of a family in a framework, once for all that ask for it."""
    checkout = copied(tmp_path_factory.mktemp("trained") / "checkout")

    @cache
    def of(family: str, framework: str) -> Trained:
        (row,) = rows(call(checkout, *command(family, framework)))
        return Trained(row, Path(row["run"]))

    return of
