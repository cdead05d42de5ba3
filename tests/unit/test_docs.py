"""What the documentation points to is there, and what it quotes is said."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from detbench import __version__
from tests.conftest import ROOT
from tests.unit import doc_tables
from tests.unit.in_process import detbench
from tests.unit.test_results import SPEC
from tests.unit.test_results_verb import keep

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md",
                *ROOT.glob("docs/*.md"),
                *ROOT.glob("benchmarks/*/README.md")])  # fmt: skip
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def without_blocks(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(without_blocks(page)):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_has_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text())}
    assert {*PAGES} - {index} <= linked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`((?:docs|scripts|parsers|perf|docker|tests|detbench)/[\w/.]+\.\w+)`",
                       without_blocks(page))  # fmt: skip
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_tables_of_columns_are_the_readers_own() -> None:
    assert doc_tables.PAGE.read_text() == doc_tables.page(), "python -m tests.unit.doc_tables"


def test_troubleshooting_quotes_our_messages() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text()
    for must in (
        "ERR_NVGPUCTRPERM", "could not select device driver", "Bus error",
        "nvprof is not supported", "No module named 'torch'",
        "NVML_SUCCESS == r INTERNAL ASSERT FAILED",
        "CUDA out of memory", "Unknown runtime specified nvidia", "No kernels were profiled",
        "no space left on device", "permission denied",
    ):  # fmt: skip
        assert re.search(rf"^## `{re.escape(must)}", text, re.MULTILINE), must
    source = "".join(path.read_text() for path in sorted(ROOT.glob("detbench/**/*.py")))
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # a message over several lines
    said = re.findall(r"^detbench says: (.+)$", text, re.MULTILINE)
    assert len(said) > 10
    for message in [part for line in said for part in re.findall(r"`([^`]+)`", line)]:
        assert message in source, message


def test_the_tour(workspace: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"## Four commands.*?```\n(.*?)```", readme, re.DOTALL)
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert [words[0] for words in lines] == ["detbench"] * 4
    keep(workspace / "results", SPEC, 0)  # what the first command leaves where it trains
    for _, *words in lines:
        trains = words[0] == "run"  # tests/integration trains in these modes
        done = detbench(*words, *(["--dry-run"] if trains else []))
        assert done.code == 0, done.err
        assert ("-m detbench.training" in done.out) or not trains
    assert "weights" in detbench(*lines[2][1:]).out


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    assert citation["version"] == __version__
    assert f'\nversion = "{__version__}"\n' in project
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert citation["license"] == "Apache-2.0"
    assert '\nlicense = "Apache-2.0"\n' in project
    assert "Apache License\n" in (ROOT / "LICENSE").read_text()
