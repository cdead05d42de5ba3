"""What is wrong with a dataset in COCO's format is named before anything trains on it."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from detbench.datasets import open_dataset
from detbench.datasets.annotations import check_images, read_listing
from detbench.errors import BadFileError, MissingError


def document() -> dict[str, list[dict[str, Any]]]:
    return {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 30, "height": 20}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 90, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 90, "name": "toothbrush"}, {"id": 3, "name": "car"}],
    }


def write(folder: Path, content: dict[str, Any]) -> tuple[Path, Path]:
    images = folder / "images"
    images.mkdir(exist_ok=True)
    Image.new("RGB", (30, 20)).save(images / "a.jpg")
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    return path, images


def test_category_ids_with_gaps_are_fine(tmp_path: Path) -> None:
    listing = read_listing(*write(tmp_path, document()))
    assert listing.class_of == {3: "car", 90: "toothbrush"}
    assert listing.images == ((7, "a.jpg", 30, 20),)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": []}, "no image in it"),
        ({"categories": []}, "no category in it"),
        ({"annotations": [{"id": 4, "image_id": 8, "category_id": 90, "bbox": [0, 0, 1, 1]}]},
         "annotation 4, it belongs to image 8"),
        ({"annotations": [{"id": 4, "image_id": 7, "category_id": 2, "bbox": [0, 0, 1, 1]}]},
         "annotation 4, it belongs to category 2"),
        ({"annotations": [{"id": 4, "image_id": 7, "category_id": 3, "bbox": [0, 0, 1, 1]}] * 2},
         "annotation id 4 is in it twice"),
        ({"images": [{"id": 7, "file_name": "b.jpg", "width": 3, "height": 2}] * 2},
         "image id 7 is in it twice"),
        ({"images": [{"id": i, "file_name": f"{i}.jpg", "width": 3, "height": 2} for i in (7, 8)]},
         "it lists 7.jpg and 1 more, not in"),
        ({"images": [{"id": "7"}]}, "not a COCO annotation file: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path, images = write(tmp_path, {**document(), **change})
    with pytest.raises(BadFileError) as caught:
        read_listing(path, images)
    assert words in str(caught.value).replace(": it belongs", ", it belongs")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", '{"images": [', "null", "\x00"])
def test_what_is_no_annotation_file_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    path, images = write(tmp_path, document())
    path.write_text(text)
    with pytest.raises(BadFileError, match="not a COCO annotation file"):
        read_listing(path, images)


def test_images_are_opened_and_measured(tmp_path: Path) -> None:
    path, images = write(tmp_path, document())
    seen: list[tuple[int, int]] = []
    check_images(read_listing(path, images), images, lambda *at: seen.append(at))
    assert seen == [(1, 1)]
    Image.new("RGB", (31, 20)).save(images / "a.jpg")
    with pytest.raises(BadFileError, match="31 x 20 pixels, where 30 x 20 are listed"):
        check_images(read_listing(path, images), images)
    (images / "a.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(BadFileError, match=r"a.jpg: not a readable image"):
        check_images(read_listing(path, images), images)


@pytest.mark.parametrize("layout", ["", "coco", "images"])
def test_the_layouts(tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path / "coco" if layout == "coco" else tmp_path
    folder = base / "images" if layout == "images" else base
    (base / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        (folder / f"{split}2017").mkdir(parents=True)
        Image.new("RGB", (30, 20)).save(folder / f"{split}2017" / "a.jpg")
        target = base / "annotations" / f"instances_{split}2017.json"
        target.write_text(json.dumps(document()))
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    found = open_dataset("coco")
    assert found.train.images == folder / "train2017"
    assert found.classes == ("car", "toothbrush")
    (base / "annotations" / "instances_val2017.json").unlink()
    with pytest.raises(MissingError, match=r"instances_val2017.json does not exist"):
        open_dataset("coco")
