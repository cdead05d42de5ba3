"""The README's first command, from training to tables, in a checkout of its own."""

import subprocess
from pathlib import Path

import pytest

from detbench.records.spec import RunRecord

pytestmark = pytest.mark.train


def quickstart(checkout: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "scripts/quickstart.sh"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )


def test_it_trains_to_its_ap_and_prints_the_tables(checkout: Path) -> None:
    done = quickstart(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    for table in (
        "Throughput from the training's reports",
        "box AP50",
        "Compute utilization, share of the window",
        "By operator class",
        "At the peak:",
    ):
        assert table in done.stdout
    page = next(checkout.glob("results/report_*.html"))
    assert str(page.relative_to(checkout)) in done.stdout
    assert '<section id="memory">' in page.read_text()
    folders = {f.parent.name.split("_")[-2]: f for f in checkout.glob("results/cpu/*/run.json")}
    assert set(folders) == {"noprofile", "torch", "memory"}
    trained = RunRecord.model_validate_json(folders["noprofile"].read_bytes())
    assert trained.status == "ok"
    assert trained.accuracy is not None
    box, box50 = trained.accuracy["box AP"], trained.accuracy["box AP50"]
    assert box is not None
    assert box50 is not None
    assert box >= 50
    assert box50 >= 85
    assert trained.throughput is not None
    assert trained.throughput.num_iterations == trained.spec.window.count
    names = {measurement.path for measurement in trained.measurements}
    assert {"log.txt", "metrics.json", "output.log", "model_final.pth", "monitoring.csv"} <= names
    assert not any(name.startswith("model_0") for name in names)
    assert (checkout / "benchmarks/maskrcnn/.mode").read_text() == "noprofile\n"

    again = quickstart(checkout)
    assert again.returncode == 0
    assert "training 450/450" not in again.stderr
    assert len(list(checkout.glob("results/cpu/*/run.json"))) == 3
