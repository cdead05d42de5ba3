"""docs/python.md and the notebook do what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import detbench
from tests.conftest import ROOT
from tests.notebooks import EXAMPLE, executed, outputs
from tests.unit.test_comparison import FAST, runs
from tests.unit.test_comparison import keep as keep_runs

PAGE = ROOT / "docs" / "python.md"


def blocks(kind: str = "") -> list[str]:
    """The examples of the page, or those that train."""
    fence = f"python {kind}".strip()
    return re.findall(rf"^```{fence}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_every_example_runs(workspace: Path) -> None:
    keep_runs(workspace / "results-before", runs(FAST))
    keep_runs(workspace / "results-after", runs(FAST))
    keep_runs(workspace / "results", runs(FAST))
    (workspace / "trace.json.part").write_text('{"traceEvents": [')
    names: dict[str, object] = {}
    for number, block in enumerate(blocks()):
        exec(compile(block, f"{PAGE.name}, example {number}", "exec"), names)


def test_the_page_names_all_of_the_api() -> None:
    text = PAGE.read_text()
    assert [n for n in detbench.__all__ if not re.search(rf"\b{re.escape(n)}\b", text)] == []


def test_the_notebook_shows_tables_and_a_figure(workspace: Path) -> None:
    cells = executed(EXAMPLE, workspace)
    tables = outputs(cells, "text/html")
    assert len(tables) >= 4
    (figure,) = outputs(cells, "application/vnd.plotly.v1+json")
    assert [trace["name"] for trace in figure["data"]]
    printed = [o["text"] for c in cells for o in c.get("outputs", ()) if o.output_type == "stream"]
    assert any("torch_bs4.pt.trace.json.gz" in text for text in printed)


def test_the_notebook_is_kept_without_outputs() -> None:
    for cell in json.loads(EXAMPLE.read_text())["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
