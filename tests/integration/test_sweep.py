"""A real feasibility matrix without a GPU: tiny models under limits, killed by the kernel."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from detbench.records.spec import RunRecord
from tests.needed import memory_limits

pytestmark = pytest.mark.train

MASK, PANOPTIC = "mask_rcnn_R_18_FPN_tiny", "panoptic_fpn_R_18_tiny"
BOTH = f"{MASK},{PANOPTIC}"


@pytest.fixture(autouse=True)
def _can_limit_memory() -> None:
    memory_limits()


def command(results: Path, limit: str, models: str, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "detbench", "sweep", "maskrcnn", "--models", models,
        "--batch-sizes", "4,64,256", "--max-iter", "2", "--memory-limit", limit, "--device", "cpu",
        "--results", str(results), "--format", "json", *more,
    ]  # fmt: skip


def swept(checkout: Path, limit: str, models: str, *more: str) -> tuple[dict[Any, Any], str]:
    """The cells by model and batch size, and what was said on the way."""
    done = subprocess.run(
        command(checkout / "results", limit, models, *more),
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    cells = json.loads(done.stdout)
    return {(cell["model"], cell["batch size"]): cell for cell in cells}, done.stderr


def told(cells: dict[Any, Any], model: str) -> list[str]:
    return [f"{c['status']} {c['source']}" for (name, _), c in cells.items() if name == model]


def runs(checkout: Path, profile: str) -> list[RunRecord]:
    files = sorted(checkout.glob(f"results/{profile}/[!.]*/run.json"))
    return [RunRecord.model_validate_json(file.read_bytes()) for file in files]


def test_a_matrix_under_two_limits(checkout: Path) -> None:
    begun = subprocess.Popen(
        command(checkout / "results", "900m", BOTH),
        cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert begun.stderr is not None
    for line in begun.stderr:
        if "loading torch" in line:
            break
    begun.send_signal(signal.SIGINT)
    shown, said = begun.communicate(timeout=60)
    assert begun.returncode == 4, said
    assert "interrupted; the same command goes on" in said.splitlines()[-1]
    assert {cell["status"] for cell in json.loads(shown)} == {"not tried"}

    # The first run's status is interrupted, which decides nothing: it is done now.
    small, _ = swept(checkout, "900m", BOTH)
    for model in (MASK, PANOPTIC):
        assert told(small, model) == ["fits measured", "host_oom measured", "host_oom implied"]
    killed = [run for run in runs(checkout, "cpu-900MiB") if run.status == "host_oom"]
    assert len(killed) == 2
    for run in killed:
        assert run.exit_code == -signal.SIGKILL
        assert "out of memory" in run.cause
        assert run.environment["limits"]["memory"] == 900 << 20
        assert run.environment["limits"]["by"].startswith("cgroup v")
    fitting = small[MASK, 4]
    assert fitting["images/s"] > 0
    assert (Path(fitting["run"]) / "run.json").is_file()

    large, said = swept(checkout, "3g", MASK, "--heat-map", "matrix.png")
    assert told(large, MASK) == ["fits implied", "fits measured", "host_oom measured"]
    assert "at most 2 runs left, time unknown" in said
    assert "at most 1 run left, about " in said
    assert len(runs(checkout, "cpu-3GiB")) == 2

    again, said = swept(checkout, "3g", MASK)
    assert again == large
    assert "at most 0 runs left" in said
    assert len(runs(checkout, "cpu-3GiB")) == 2
    seen, _ = swept(checkout, "900m", BOTH, "--dry-run")
    assert seen == small

    kept = sorted(checkout.glob("results/cpu-3GiB/feasibility_*"))
    assert [file.suffix for file in kept] == [".csv", ".png"] * 2
    with kept[0].open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["status"] for row in rows] == [cell["status"] for cell in large.values()]
    for picture in (kept[1], checkout / "matrix.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")
    assert not list(checkout.glob("results/*/.running-*"))
    assert os.listdir(checkout / "results/cpu-3GiB/.sweep") == []  # noqa: PTH208
