import json
from pathlib import Path

import pytest

pytest.importorskip("skimage")

from detbench.datasets import open_dataset
from detbench.datasets.coco import CocoDataset
from detbench.datasets.embedded import NUM_IMAGES, SIZE
from detbench.errors import BadFileError, MissingError


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CocoDataset:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return open_dataset("embedded")


def test_it_is_coco_with_boxes_masks_and_three_classes(made: CocoDataset) -> None:
    assert made.classes == ("disk", "square", "triangle")
    document = json.loads(made.train.annotations.read_text())
    assert len(document["images"]) == NUM_IMAGES["train"]
    assert len(list(made.val.images.iterdir())) == NUM_IMAGES["val"]
    for annotation in document["annotations"]:
        x, y, width, height = annotation["bbox"]
        assert 0 <= x <= x + width <= SIZE
        assert 0 <= y <= y + height <= SIZE
        points = annotation["segmentation"][0]
        assert min(points[0::2]) == pytest.approx(x, abs=0.01)
        assert max(points[1::2]) == pytest.approx(y + height, abs=0.01)
        assert 0 < annotation["area"] <= width * height


def test_every_class_is_in_both_splits(made: CocoDataset) -> None:
    for split in (made.train, made.val):
        annotations = json.loads(split.annotations.read_text())["annotations"]
        assert {a["category_id"] for a in annotations} == {1, 2, 3}


def test_it_is_the_same_every_time(
    made: CocoDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "again"))
    again = open_dataset("embedded")
    assert again.train.images != made.train.images
    assert again.digest == made.digest
    for first in made.val.images.iterdir():
        assert first.read_bytes() == (again.val.images / first.name).read_bytes()


def test_it_is_made_once(made: CocoDataset) -> None:
    written = made.train.annotations.stat().st_mtime_ns
    assert open_dataset("embedded").train.annotations.stat().st_mtime_ns == written


def test_a_folder_in_cocos_layout_is_a_dataset_with_or_without_coco_in_between(
    made: CocoDataset, tmp_path: Path
) -> None:
    root = made.train.images.parent
    assert open_dataset(str(root)).digest == made.digest
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "coco").symlink_to(root)
    assert open_dataset(str(tmp_path / "data")).digest == made.digest


def test_a_missing_folder_or_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"nowhere does not exist.*annotations/instances"):
        open_dataset(str(tmp_path / "nowhere"))
    (tmp_path / "annotations").mkdir()
    with pytest.raises(MissingError, match=r"instances_train2017\.json does not exist"):
        open_dataset(str(tmp_path))


def test_an_annotation_file_that_is_none_is_named(made: CocoDataset) -> None:
    made.val.annotations.write_text('{"images": []}')
    with pytest.raises(BadFileError, match="not a COCO annotation file"):
        open_dataset(str(made.train.images.parent))
