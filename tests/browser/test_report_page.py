from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import make_runs
import pandas as pd
import pytest
from click.testing import CliRunner

from detbench.cli.report import report
from tests.pages import Opened, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Its pages are made and opened once: they stay in one process.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SECTIONS = [
    "Results", "Throughput against batch size", "GPU compute utilization and core utilization",
    "Roofline", "Kernel classes", "Idle gaps", "Memory", "Feasibility", "Training curves and AP",
    "Monitoring", "Profiler overhead", "Failed runs", "Environment, and how to reproduce",
]  # fmt: skip
SCRIPT = "<script>document.title='stolen'</script>"
HOSTILE = f"{SCRIPT}</script><b>bold</b> &lt;i&gt; \U0001f40d " + "/very/long/path" * 40
NUM_LARGE = 200

View = Callable[..., Opened]


def made(results: Path, file: Path) -> Path:
    done = CliRunner().invoke(report, [str(results), "-o", str(file)])
    assert done.exception is None, done.exception
    return file


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    make_runs.write(folder / "results", 20)  # the last one fails
    return made(folder / "results", folder / "report.html")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    make_runs.write(folder / "results", NUM_LARGE, seconds=130, num_kernels=50)
    return made(folder / "results", folder / "report.html")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    model = "<b>a<script>document.title='stolen'\U0001f40d"  # no / in a folder's name
    make_runs.write(folder / "results", 20, model=model, log=f"{HOSTILE}\n", cause=HOSTILE)
    return made(folder / "results", folder / "report.html")


@pytest.fixture(scope="module")
def view(browser: Browser, request: pytest.FixtureRequest) -> View:
    """A page in a window of a width; each is opened once."""

    @cache
    def find(which: str, width: int = 1440) -> Opened:
        return opened(browser, request.getfixturevalue(which), width)

    return find


def unfold(found: Opened) -> None:
    """Open what is folded, a few of them, and wait until it is drawn."""
    found.page.evaluate(
        "document.querySelectorAll('details.folded')"
        ".forEach((d, i) => { if (i < 4) d.open = true; })"
    )
    found.page.wait_for_function(
        "() => [...document.querySelectorAll('details[open] .figure')]"
        ".every(f => f.querySelector('.main-svg'))"
    )


@pytest.mark.parametrize("which", ["small", "large"])
def test_every_section_is_there_without_an_error_or_a_request(view: View, which: str) -> None:
    page = view(which)
    unfold(page)
    assert page.page.locator("main > section > h2").all_inner_texts() == SECTIONS
    assert page.errors == []
    assert [url.partition(":")[0] for url in page.requests] == ["file"]


def test_two_hundred_runs_are_less_than_15_mb(large: Path) -> None:
    assert large.stat().st_size < 15_000_000
    assert large.read_text().count("plotly.js v") == 1


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("which", ["small", "large", "hostile"])
def test_nothing_overflows(view: View, which: str, width: int) -> None:
    found = view(which, width)
    unfold(found)
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    too_wide = found.page.evaluate(
        "[...document.querySelectorAll('.main-svg')]"
        ".filter(s => s.getBoundingClientRect().right > innerWidth).length"
    )
    assert too_wide == 0


def test_hovering_a_cell_of_the_heat_map_tells_the_cause(view: View) -> None:
    found = view("small")
    plot = found.page.locator("#feasibility .figure")
    plot.scroll_into_view_if_needed()
    area = plot.locator(".nsewdrag").bounding_box()
    assert area is not None
    # Batch sizes 2, 4, 8, 16, 32: the fourth of five columns.
    found.page.mouse.move(area["x"] + area["width"] * 0.7, area["y"] + area["height"] / 2)
    text = plot.locator(".hoverlayer").text_content
    plot.locator(".hovertext").first.wait_for()
    assert "bs16" in (text() or "")
    assert "CUDA out of memory" in (text() or "")


def test_hovering_a_bar_tells_its_number(view: View) -> None:
    found = view("small")
    plot = found.page.locator("#memory article .figure")
    plot.scroll_into_view_if_needed()
    plot.locator(".points .point path").nth(0).hover(force=True)
    plot.locator(".hovertext").first.wait_for()
    assert "weights: 200.0 MiB of 2,700.0 at the peak" in (
        plot.locator(".hoverlayer").text_content() or ""
    )


def test_the_csv_holds_the_numbers_that_are_drawn(view: View) -> None:
    found = view("small")
    with found.page.expect_download() as waiting:
        found.page.locator("#throughput-against-batch-size [data-csv]").click()
    table = pd.read_csv(waiting.value.path())
    drawn = found.page.evaluate(
        "document.querySelector('#throughput-against-batch-size .figure').data"
        ".flatMap(t => t.x.map((x, i) => [x, t.y[i]]))"
    )
    assert waiting.value.suggested_filename == "throughput-against-batch-size.csv"
    assert table[["batch size", "images/s"]].to_numpy().tolist() == drawn
    # Seeds 0, 1 and 2 of batch size 2 run at 12.0, 12.1 and 12.2 images/s.
    first = table[table["model"] == "mask_rcnn_R_50_FPN_1x"].iloc[0]
    assert (first["batch size"], first["repeats"]) == (2, 3)
    assert first["images/s"] == pytest.approx(12.1)


def test_every_csv_parses(view: View) -> None:
    found = view("small")
    figures = json.loads(found.page.locator("#figures").text_content() or "")
    assert all(len(pd.read_csv(io.StringIO(f["csv"]))) for f in figures.values())


def test_names_and_logs_stay_text(view: View) -> None:
    found = view("hostile")
    unfold(found)
    assert found.errors == []
    assert found.page.title().startswith("detbench report")
    assert SCRIPT in found.page.locator("#failed-runs pre").inner_text()
    assert found.page.locator("#failed-runs b, #failed-runs i").count() == 0
    label = found.page.locator("#memory .ytick text").first
    assert (label.text_content() or "").startswith("<b>a<script>")
    assert found.page.locator(".main-svg [style*='bold'], .main-svg a").count() == 0


def test_figures_follow_the_color_scheme(view: View) -> None:
    found = view("small")
    color = "document.querySelector('.figure').layout.font.color"
    for scheme, ink in (("dark", "#e6eaf0"), ("light", "#1c2430")):
        found.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found.page.wait_for_function(f"() => {color} === '{ink}'")


def test_paper_is_wide_enough_for_the_figures(view: View) -> None:
    found = view("small")
    found.page.emulate_media(media="print")
    found.page.wait_for_function("() => document.querySelector('.figure').layout.width === 680")
    found.page.emulate_media(media="screen")
    found.page.wait_for_function("() => document.querySelector('.figure').layout.autosize")
