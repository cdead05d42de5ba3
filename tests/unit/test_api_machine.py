"""The machine, datasets, images and containers from Python: tables and errors, nothing printed."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from detbench.api import containers, data, machine
from detbench.datasets import verify
from detbench.errors import BadFileError, MissingError, UsageError
from detbench.records import store
from tests.unit import in_process
from tests.unit.test_command_line import tiny_dataset


@pytest.fixture(autouse=True)
def without_an_engine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """No Docker engine; whatever a test does, this process prints nothing."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    yield
    assert capsys.readouterr() == ("", "")


def test_gpus_here_and_why_there_are_none() -> None:
    table = machine.gpus_here()
    told = in_process.detbench("gpus", "--json")
    assert table["UUID"].tolist() == [row["UUID"] for row in told.rows()]
    assert told.err.splitlines() == table.attrs["notes"]


def test_gpu_profiles_by_a_part_of_their_name() -> None:
    table = machine.gpu_profiles("A100D-2-")
    assert table["profile"].tolist() == ["A100D-2-20C"]
    assert table["source"].str.len().min() > 0
    with pytest.raises(UsageError, match="no GPU profile's name holds 'H9000'"):
        machine.gpu_profiles("H9000")


def test_the_doctors_table_says_what_a_mode_lacks() -> None:
    table = machine.doctor(mode="nvvp")
    assert {*table["state"]} <= {"ok", "missing", "unknown"}
    assert table.attrs["mode"] == "nvprof"
    told = in_process.detbench("doctor", "--mode", "nvvp")
    lacks = table.attrs["lacks"]
    assert (told.code == 3) == bool(lacks)
    assert not lacks or f"mode nvprof cannot run here: it lacks {', '.join(lacks)}" in told.err


def test_setup_lacks_only_what_nothing_can_be_trained_without() -> None:
    table = machine.setup_checks("maskrcnn")
    missing = table[table["state"] == "missing"]["what"]
    assert table.attrs["lacks"] == [w for w in missing if w in ("torch", "detectron2")]


def test_a_dataset_is_verified_split_by_split(tmp_path: Path) -> None:
    folder = tiny_dataset(tmp_path / "mine")
    events: list[Mapping[str, Any]] = []
    table = data.verify_dataset(folder, on_event=events.append)
    assert table["split"].tolist() == ["train", "val"]
    assert table["image headers"].tolist() == ["all readable"] * 2
    assert [(event["phase"], event["done"], event["total"]) for event in events] == [
        ("opening the train images", 1, 1),
        ("opening the val images", 1, 1),
    ]
    quick = data.verify_dataset(folder, quick=True)
    assert quick["image headers"].tolist() == ["not opened (--quick)"] * 2


def test_the_named_dataset_lies_under_the_root_and_has_as_many_images_as_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(tiny_dataset(tmp_path / "mine"))
    with pytest.raises(BadFileError, match="it lists 1 images, but coco has 118287"):
        data.verify_dataset("coco", root, quick=True)
    monkeypatch.setitem(verify._NUM_IMAGES, "coco", (1, 1))
    assert data.verify_dataset("coco", root, quick=True)["images"].tolist() == [1, 1]


def test_what_needs_an_engine_says_so() -> None:
    for call in (
        lambda: containers.build_image("maskrcnn"),
        lambda: containers.open_shell("maskrcnn", ("true",)),
    ):
        with pytest.raises(MissingError, match="Docker's engine is not running here"):
            call()
    with pytest.raises(UsageError, match="no family 'yolo'"):
        containers.build_image("yolo")


def test_cleaning_keeps_what_holds_a_measurement(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    for name in ("empty", "measured"):
        (tmp_path / "cpu" / f".running-{name}-{store._host()}-{gone.pid}-x").mkdir(parents=True)
    empty, measured = sorted(tmp_path.glob("cpu/.running-*"))
    (measured / "nsight_bs2.csv").write_text("1")
    looked = containers.clean(tmp_path, dry_run=True)
    assert [(each.what, each.kept) for each in looked.found] == [
        (str(empty), ""),
        (str(measured), "it holds nsight_bs2.csv"),
    ]
    assert "Docker's engine is not running" in looked.why_no_containers
    assert empty.is_dir()
    assert containers.clean(tmp_path) == looked
    assert not empty.exists()
    assert measured.is_dir()
