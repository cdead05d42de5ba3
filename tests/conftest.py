"""Fixtures that several kinds of tests share."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
BASE_IMAGE = "detbench/debian"
CORPUS = ROOT.parent / "shared" / "corpus"

sys.path.insert(0, str(ROOT / "perf"))

# A busy machine is no failure, and the same examples everywhere find the same faults.
settings.register_profile("detbench", deadline=None, derandomize=True)
settings.load_profile("detbench")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    absent = {}
    if not CORPUS.is_dir():
        absent["corpus"] = f"{CORPUS} is not here: it is handed out apart from the repository"
    if not (find_spec("torch") and find_spec("detectron2")):
        absent["train"] = "needs torch and detectron2: bash scripts/make_venv.sh train test"
    if shutil.which("nvidia-smi") is None:
        absent["gpu"] = "needs an NVIDIA GPU"
    if any(item.get_closest_marker("docker") for item in items) and (why := _no_engine()):
        absent["docker"] = why
    for item in items:
        for mark, why in absent.items():
            if item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=why))


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


@pytest.fixture
def corpus() -> Path:
    return CORPUS


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of its own with this environment: what is switched or measured stays in it."""
    copy = tmp_path / "checkout"
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
