"""Fixtures that several kinds of tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.needed import IN_CI, absent, package, program

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Registered here: the process that prints for pytest-xdist's workers loads no deeper conftest.
pytest_plugins = ["tests.mutation.tally"]

ROOT = Path(__file__).resolve().parents[1]
BASE_IMAGE = "detbench/debian"
CORPUS = ROOT.parent / "shared" / "corpus"

sys.path.insert(0, str(ROOT / "perf"))

# A busy machine is no failure, and the same examples everywhere find the same faults.
settings.register_profile("detbench", deadline=None, derandomize=True)
settings.load_profile("detbench")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


# Where a worker has one core, more threads than that would only wait for one another.
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    threads = max(1, (os.cpu_count() or 1) // workers)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))

_SAMPLED = 6  # of so many mutation tests one is run every day


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all",
        action="store_true",
        help="also the slow tests: every training, the quickstart, all mutations, Docker",
    )


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "mutation" in item.path.relative_to(ROOT).parts:
            item.add_marker("mutation")
        if item.get_closest_marker("docker"):  # one engine, and each test counts its containers
            item.add_marker(pytest.mark.xdist_group("docker"))
    if config.getoption("--all") or _are_named(config):
        return
    slow = [item for item in items if not _is_everyday(item)]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if _is_everyday(item)]


def _are_named(config: pytest.Config) -> bool:
    """Whether the tests were asked for: by a path, a marker or a word. `not WORD` names none."""
    asked = [config.getoption(option) for option in ("-m", "-k")]
    return config.args_source is not pytest.Config.ArgsSource.TESTPATHS or any(
        words and not words.startswith("not ") for words in asked
    )


def _is_everyday(item: pytest.Item) -> bool:
    """Whether a test is run without --all."""
    if item.get_closest_marker("everyday"):
        return True
    if item.get_closest_marker("mutation"):
        return zlib.crc32(item.nodeid.encode()) % _SAMPLED == 0
    return not any(item.get_closest_marker(mark) for mark in ("train", "docker", "slow"))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI a module that lacks a package is a failure, as a test is that lacks a program."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    # Set in pytest-xdist's workers only. 3.8 groups nothing under pytest 9.2, and says nothing.
    is_grouped = getattr(item.config.option, "loadgroup", False)
    if is_grouped and item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
        pytest.fail("pytest-xdist does not keep its group together", pytrace=False)
    if item.get_closest_marker("corpus") and not CORPUS.is_dir():
        pytest.skip(f"{CORPUS} is not here: it is handed out apart from the repository")
    if item.get_closest_marker("gpu") and shutil.which("nvidia-smi") is None:
        pytest.skip("needs an NVIDIA GPU")
    if item.get_closest_marker("train") and not (find_spec("torch") and find_spec("detectron2")):
        absent("needs torch and detectron2: bash scripts/make_venv.sh train test")
    if item.get_closest_marker("docker") and (why := _no_engine()):
        absent(why)


@cache
def _no_engine() -> str:
    """Why the tests that build an image and run containers cannot; empty where they can."""
    from docker.errors import DockerException

    import docker

    how = "as root: bash scripts/docker_engine.sh"
    try:
        docker.from_env().images.get(BASE_IMAGE)
    except docker.errors.ImageNotFound:
        return f"needs the base image {BASE_IMAGE}; {how}"
    except DockerException:
        return f"needs a Docker engine; {how}"
    return ""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    sync = package("playwright.sync_api", "bash scripts/make_venv.sh train test")
    chromium = program("chromium", "apt-get install chromium")
    with sync.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def corpus() -> Path:
    return CORPUS


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of its own with this environment: what is switched or measured stays in it."""
    return copied(tmp_path / "checkout")


def copied(copy: Path) -> Path:
    """A copy of this checkout, without what is not the repository's, and with its environment."""
    copy.mkdir()
    for name in ("benchmarks", "docker", "scripts", "parsers", "detbench"):
        ignored = shutil.ignore_patterns("__pycache__", ".mode")
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", ".dockerignore"):
        shutil.copy(ROOT / name, copy / name)
    (copy / ".venv").symlink_to(sys.prefix)
    return copy


@pytest.fixture
def script(checkout: Path) -> Run:
    """Runs one of Mask R-CNN's scripts as a user does, from its folder."""

    def run(name: str, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", name, *arguments],
            cwd=checkout / "benchmarks" / "maskrcnn",
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            **options,  # type: ignore[call-overload]
        )

    return run


@pytest.fixture
def parser() -> Run:
    """Runs one of the scripts under parsers/."""

    def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, ROOT / "parsers" / name, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def assert_refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One line on stderr that says all of `words`, nothing on stdout, and this exit code."""
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr
