"""A family's image for the CPU, built by its script as a user does it; nothing stays behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detbench.launch.docker import OWNER, engine
from tests.conftest import BASE_IMAGE, ROOT, Run

_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")  # with a proxy's, where there is one


def script(
    name: str, *arguments: str, root: Path = ROOT, family: str = "maskrcnn", **options: Any
) -> subprocess.CompletedProcess[str]:
    """One of a family's scripts, run to its end."""
    command = ["bash", str(root / "benchmarks" / family / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def build(family: str) -> str:
    """Build a family's image for the CPU; its name. What `build_image.sh` said is checked."""
    extra = ("--extra-ca", str(_CERTIFICATES)) if _CERTIFICATES.is_file() else ()
    base = ("--device", "cpu", "--base-image", BASE_IMAGE)
    done = script("build_image.sh", *base, *extra, family=family)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.startswith(f"detbench/{family}: built in ")
    return f"detbench/{family}"


@pytest.fixture(scope="session")
def image() -> str:
    """Mask R-CNN's image."""
    return build("maskrcnn")


@pytest.fixture(autouse=True)
def _nothing_is_left(image: str) -> Iterator[None]:
    """No container of a test outlives it."""
    yield
    with engine() as client:
        left = client.containers.list(all=True, filters={"label": OWNER})
        for container in left:
            container.remove(force=True)
    assert not left


@pytest.fixture
def run_in_container(tmp_path: Path, image: str) -> Run:
    """Runs `run_container.sh` with the text given on its stdin, or a command."""

    def run(
        *arguments: str, text: str = "", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        for name in ("dataset", "scratch"):
            (tmp_path / name).mkdir(exist_ok=True)
        folders = ("--dataset-dir", f"{tmp_path}/dataset", "--scratch-dir", f"{tmp_path}/scratch")
        return script(
            "run_container.sh",
            *folders,
            *arguments,
            input=text,
            env={**os.environ, **(environment or {})},
        )

    return run
