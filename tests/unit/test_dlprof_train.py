"""The training of mode dlprof, as its image starts it, on a CPU and a single small window."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from detbench.records.spec import Outcome
from tests.conftest import ROOT

PROGRAM = ROOT / "benchmarks" / "dlprof_train.py"


def started(folder: Path, **changes: object) -> "subprocess.CompletedProcess[str]":
    spec = {
        "model": "retinanet_R_50_FPN_1x", "device": "cpu", "batch_size": 1, "seed": 0,
        "window": {"start": 1, "count": 1}, **changes,
    }  # fmt: skip
    (folder / "spec.json").write_text(json.dumps(spec))
    small = f"import sys; sys.argv = ['x', {str(folder / 'spec.json')!r}, {str(folder)!r}];"
    code = PROGRAM.read_text().replace(
        "SIZE, OBJECTS, CLASSES = 800", "SIZE, OBJECTS, CLASSES = 64"
    )
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", small + "\n" + _without_future(code)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def _without_future(code: str) -> str:
    return code.replace("from __future__ import annotations\n", "")


def test_it_is_written_in_the_python_of_its_image() -> None:
    ast.parse(PROGRAM.read_text(), feature_version=(3, 8))


@pytest.mark.train
def test_it_leaves_what_the_suites_own_training_leaves(tmp_path: Path) -> None:
    done = started(tmp_path)
    assert done.returncode == 0, done.stderr
    outcome = Outcome.model_validate_json((tmp_path / "outcome-0.json").read_bytes())
    assert outcome.throughput is not None
    assert (outcome.throughput.images, outcome.throughput.num_iterations) == (1, 1)
    assert outcome.environment["images"] == "generated, 64x64"
    assert '"done": 2' in done.stdout


def test_what_fails_is_in_the_outcome(tmp_path: Path) -> None:
    done = started(tmp_path, model="yolo")
    assert done.returncode == 1
    outcome = Outcome.model_validate_json((tmp_path / "outcome-0.json").read_bytes())
    assert outcome.failure is not None
    assert outcome.failure.type == "StopIteration"
