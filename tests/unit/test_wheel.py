"""The wheel on its own: the parsers and the families, without a checkout and without torch."""

import subprocess
import sys
import zipfile
from pathlib import Path

import make_ncu_log
import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def detbench(installed: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    # A torch that cannot be imported stands before the real one.
    blocked = installed.parent / "blocked"
    blocked.mkdir(exist_ok=True)
    (blocked / "torch.py").write_text("raise ImportError('the core must not need torch')")
    return subprocess.run(
        [sys.executable, "-m", "detbench", *arguments],
        cwd=installed.parent,
        env={"PYTHONPATH": f"{installed}:{blocked}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_carries_types_and_families(installed: Path) -> None:
    assert (installed / "detbench" / "py.typed").is_file()
    families = {p.parent.name for p in (ROOT / "benchmarks").glob("*/benchmark.yaml")}
    assert {p.parent.name for p in installed.glob("detbench/families/*/*.yaml")} == families
    done = detbench(installed, "models", "maskrcnn", "--format", "csv")
    assert "mask_rcnn_R_50_FPN_1x" in done.stdout, done.stderr
    assert (installed / "detbench" / "gpus" / "profiles.yaml").is_file()


def test_it_parses(installed: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    make_ncu_log.write(log, 10)
    done = detbench(installed, "core-util", log)
    assert done.stdout.startswith(f"fma\t{make_ncu_log.expected(10)['fma']:.5f} %"), done.stderr


def test_without_a_checkout_there_is_no_switched_mode(installed: Path) -> None:
    done = detbench(installed, "switch", "maskrcnn", "memory")
    assert done.returncode == 3
    assert "belongs to a checkout" in done.stderr
