"""PASCAL VOC's folders, read into COCO's format."""

import json
from pathlib import Path

import pytest
from PIL import Image

from detbench.datasets import open_dataset
from detbench.datasets.voc import CLASSES
from detbench.errors import BadFileError, DetbenchError, MissingError

Objects = list[tuple[str, tuple[int, int, int, int], int]]


def write_image(kit: Path, year: int, name: str, objects: Objects) -> None:
    base = kit / f"VOC{year}"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (60, 40), "gray").save(base / "JPEGImages" / f"{name}.jpg")
    found = "".join(
        f"<object><name>{what}</name><difficult>{difficult}</difficult><bndbox><xmin>{x1}</xmin>"
        f"<ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for what, (x1, y1, x2, y2), difficult in objects
    )
    (base / "Annotations" / f"{name}.xml").write_text(
        f"<annotation><filename>{name}.jpg</filename><size><width>60</width><height>40</height>"
        f"</size>{found}</annotation>"
    )


def write_set(kit: Path, year: int, image_set: str, *names: str) -> None:
    (kit / f"VOC{year}" / "ImageSets" / "Main" / f"{image_set}.txt").write_text(
        "".join(f"{name}\n" for name in names)
    )


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "data"
    kit = root / "VOCdevkit"
    write_image(kit, 2007, "000001", [("dog", (1, 1, 60, 40), 0)])
    write_image(kit, 2007, "000002", [("tvmonitor", (5, 6, 9, 10), 1), ("cat", (2, 2, 4, 4), 0)])
    write_image(kit, 2012, "2008_000001", [("aeroplane", (10, 10, 20, 30), 0)])
    write_set(kit, 2007, "trainval", "000001")
    write_set(kit, 2007, "test", "000002")
    write_set(kit, 2012, "trainval", "2008_000001")
    monkeypatch.setenv("DETECTRON2_DATASETS", str(root))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return root


def test_boxes_classes_and_difficult_objects(root: Path) -> None:
    found = open_dataset("voc2007")
    assert found.classes == CLASSES
    assert (found.rule, found.num_images) == ("voc", 1)
    document = json.loads(found.val.annotations.read_bytes())
    tv, cat = document["annotations"]
    # Pixels 5 to 9 in VOC, which counts from 1, are 4 up to 9 in COCO.
    assert (tv["bbox"], tv["difficult"], tv["category_id"]) == ([4, 5, 5, 5], 1, 20)
    assert (cat["bbox"], cat["difficult"], cat["category_id"]) == ([1, 1, 3, 3], 0, 8)
    assert (found.val.images / document["images"][0]["file_name"]).is_file()
    (whole,) = json.loads(found.train.annotations.read_bytes())["annotations"]
    assert whole["bbox"] == [0, 0, 60, 40]


def test_both_years_together(root: Path) -> None:
    found = open_dataset("voc0712")
    names = [i["file_name"] for i in json.loads(found.train.annotations.read_bytes())["images"]]
    assert names == ["VOC2007/JPEGImages/000001.jpg", "VOC2012/JPEGImages/2008_000001.jpg"]


def test_it_is_converted_once_and_again_when_an_annotation_changes(root: Path) -> None:
    first = open_dataset("voc2007").train.annotations
    written = first.stat().st_mtime_ns
    assert open_dataset("voc2007").train.annotations.stat().st_mtime_ns == written
    write_image(root / "VOCdevkit", 2007, "000001", [("cow", (1, 1, 9, 9), 0)])
    assert open_dataset("voc2007").train.annotations != first


def broken(root: Path, text: str) -> None:
    (root / "VOCdevkit/VOC2007/Annotations/000001.xml").write_text(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<annotation>", "not a VOC annotation: no element found"),
        ("<annotation/>", "no filename in it"),
        (
            "<annotation><filename>000001.jpg</filename><size><width>9</width><height>9</height>"
            "</size><object><name>yeti</name></object></annotation>",
            "'yeti' is not a class of VOC",
        ),
    ],
)
def test_a_broken_annotation_is_named(root: Path, text: str, words: str) -> None:
    broken(root, text)
    with pytest.raises(BadFileError, match=words) as caught:
        open_dataset("voc2007")
    assert "000001.xml" in str(caught.value)


def test_what_is_missing_is_named(root: Path) -> None:
    with pytest.raises(MissingError, match=r"VOC2012/ImageSets/Main/train.txt does not exist"):
        open_dataset("voc2012")
    write_set(root / "VOCdevkit", 2007, "trainval", "000009")
    with pytest.raises(MissingError, match=r"000009.xml does not exist"):
        open_dataset("voc2007")
    write_set(root / "VOCdevkit", 2007, "trainval")
    with pytest.raises(BadFileError, match=r"trainval.txt, no image in it|no image in it"):
        open_dataset("voc2007")
    (root / "VOCdevkit/VOC2007/JPEGImages/000001.jpg").unlink()
    write_set(root / "VOCdevkit", 2007, "trainval", "000001")
    with pytest.raises(DetbenchError, match=r"it lists VOC2007/JPEGImages/000001.jpg"):
        open_dataset("voc2007")
