"""The rehearsal of the check on a CPU, as a user runs it: every step that can be done here."""

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.train

NEED_A_GPU = {"known kernels", "energy", "monitoring", "core utilization"}


def test_the_rehearsal(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            "bash", str(ROOT / "scripts" / "gpu_check.sh"), "--device", "cpu", "--minutes", "9",
            "--bundle", "check.tar.gz", "--results", "runs", "--json",
        ],
        cwd=tmp_path,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    rows = told["verdicts"]
    assert {"Throughput", "Predicted and measured memory"} <= set(told)
    verdicts: dict[str, set[str]] = {}
    for row in rows:
        verdicts.setdefault(row["step"], set()).add(row["verdict"])
    for step in ("speed", "timeline", "memory", "learning", "prediction", "overhead"):
        assert verdicts[step] == {"passed"}, [row for row in rows if row["step"] == step]
    for step in NEED_A_GPU:
        assert verdicts[step] == {"not possible here"}
    assert {r["reason"] for r in rows if r["step"] in NEED_A_GPU} == {
        "the check is a rehearsal on the CPU"
    }
    # Where no memory can be limited, this step says so.
    assert verdicts["out of memory"] in ({"passed"}, {"not possible here"})
    assert "step 12 of 12: overhead" in done.stderr
    with tarfile.open(tmp_path / "check.tar.gz") as archive:
        names = archive.getnames()
        file = archive.extractfile("verdicts.json")
        assert file is not None
        assert json.loads(file.read()) == rows
    assert {"report.html", "tables/throughput.csv", "tables/predicted_and_measured_memory.md"} <= {
        *names
    }
    runs = list((tmp_path / "runs").glob("cpu*/*/run.json"))
    assert len(runs) >= 9
    assert sum(name.endswith("/run.json") for name in names) == len(runs)
