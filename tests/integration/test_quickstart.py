"""The README's first command, from training to tables and a page, in a checkout of its own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import detbench
from detbench.records.spec import RunRecord
from tests.conftest import copied
from tests.notebooks import EXAMPLE, executed, outputs
from tests.pages import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# One of these is its run, the others look at what that left.
pytestmark = [pytest.mark.train, pytest.mark.xdist_group("quickstart")]


def quickstart(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "scripts/quickstart.sh"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )


@dataclass(frozen=True)
class Quickstart:
    """A checkout in which the quickstart has ended, and what it printed."""

    checkout: Path
    done: subprocess.CompletedProcess[str]

    @property
    def page(self) -> Path:
        """The page that it made."""
        return next(self.checkout.glob("results/report_*.html"))


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Quickstart:
    checkout = copied(tmp_path_factory.mktemp("quickstart") / "checkout")
    return Quickstart(checkout, quickstart(checkout))


def test_it_trains_to_its_ap_and_prints_the_tables(quick: Quickstart) -> None:
    checkout, done = quick.checkout, quick.done
    assert done.returncode == 0, done.stdout + done.stderr
    for table in (
        "Throughput from the training's reports",
        "box AP50",
        "Compute utilization, share of the window",
        "By operator class",
        "At the peak:",
    ):
        assert table in done.stdout
    assert str(quick.page.relative_to(checkout)) in done.stdout
    assert '<section id="memory">' in quick.page.read_text()
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
    assert trained.throughput.energy_joules is None
    assert trained.throughput.energy_source == "trained on a CPU"
    assert trained.throughput.began is not None
    assert trained.throughput.ended is not None
    seconds = trained.throughput.ended - trained.throughput.began
    assert seconds >= trained.throughput.seconds  # what lies between iterations is in it too
    names = {measurement.path for measurement in trained.measurements}
    assert {"log.txt", "metrics.json", "output.log", "model_final.pth", "monitoring.csv"} <= names
    assert not any(name.startswith("model_0") for name in names)
    assert (checkout / "benchmarks/maskrcnn/.mode").read_text() == "noprofile\n"


def test_called_again_it_does_nothing_twice(quick: Quickstart) -> None:
    again = quickstart(quick.checkout)
    assert again.returncode == 0
    assert "training 450/450" not in again.stderr
    assert len(list(quick.checkout.glob("results/cpu/*/run.json"))) == 3


def test_its_page_opens_without_an_error(quick: Quickstart, browser: Browser) -> None:
    found = opened(browser, quick.page, 1440)
    assert found.errors == []
    assert {request.split(":")[0] for request in found.requests} <= {"file", "data", "blob"}
    titles = found.page.locator("section h2").all_inner_texts()
    assert {"Results", "Memory", "Kernel classes"} <= set(titles)


def test_the_notebook_goes_from_its_trace_to_a_figure(quick: Quickstart) -> None:
    cells = executed(EXAMPLE, quick.checkout)
    (figure,) = outputs(cells, "application/vnd.plotly.v1+json")
    shares = {trace["name"]: trace["x"][0] for trace in figure["data"]}
    assert sum(shares.values()) == pytest.approx(100)
    # A detector's time goes to convolutions first of all, in training on a CPU too.
    assert max(shares, key=lambda name: shares[name]) == "conv"


def test_its_runs_are_a_table_in_python(quick: Quickstart) -> None:
    table = detbench.runs(quick.checkout / "results")
    assert sorted(table["mode"]) == ["memory", "noprofile", "torch"]
    assert (table["status"] == "ok").all()
    assert detbench.verify(quick.checkout / "results")["problem"].eq("").all()
