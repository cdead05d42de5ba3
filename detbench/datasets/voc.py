"""PASCAL VOC 2007 and 2012, read from VOCdevkit and converted to COCO's format once."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from detbench.datasets.cache import cache_folder
from detbench.datasets.coco import CocoDataset, Split, open_splits
from detbench.errors import BadFileError, MissingError

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
"""In the order of the challenge."""

# Years and image sets for training and for evaluation. The test set of 2012 has no public
# annotations; results are usually reported on the test set of 2007.
_SETS: dict[str, tuple[tuple[tuple[int, str], ...], tuple[int, str]]] = {
    "voc2007": (((2007, "trainval"),), (2007, "test")),
    "voc2012": (((2012, "train"),), (2012, "val")),
    "voc0712": (((2007, "trainval"), (2012, "trainval")), (2007, "test")),
}
NAMES = tuple(_SETS)


def open_voc(name: str, root: Path) -> CocoDataset:
    """Open `voc2007`, `voc2012` or `voc0712` in `root/VOCdevkit`, or in `root` itself.

    Raises:
        MissingError: a part of the layout is missing.
        BadFileError: an annotation is invalid, or names a class that VOC does not have.
    """
    kit = root / "VOCdevkit" if (root / "VOCdevkit").is_dir() else root
    train_sets, val_set = _SETS[name]
    train = _converted(kit, train_sets)
    val = _converted(kit, (val_set,))
    return open_splits(name, Split(kit, train), Split(kit, val), rule="voc")


def _converted(kit: Path, sets: tuple[tuple[int, str], ...]) -> Path:
    """The annotations of the sets in COCO's format, converted unless these files were before."""
    files = [file for year, image_set in sets for file in _annotations(kit, year, image_set)]
    key = hashlib.sha256(Path(__file__).read_bytes())
    for file in files:
        try:
            stat = file.stat()
        except OSError as error:
            raise MissingError(
                f"dataset part {file} does not exist", "detbench data download voc2007 (or voc2012)"
            ) from error
        key.update(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    target = cache_folder() / f"voc-{key.hexdigest()[:16]}.json"
    if not target.is_file():
        document = _document(kit, files)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=target.parent, prefix=".voc-", encoding="utf-8", delete=False
        ) as stream:
            json.dump(document, stream)
        os.replace(stream.name, target)  # noqa: PTH105 - of two processes the last one wins
    return target


def _annotations(kit: Path, year: int, image_set: str) -> list[Path]:
    base = kit / f"VOC{year}"
    listed = base / "ImageSets" / "Main" / f"{image_set}.txt"
    if not listed.is_file():
        raise MissingError(
            f"dataset part {listed} does not exist",
            f"detbench data download voc{year} fetches VOCdevkit/VOC{year}",
        )
    names = listed.read_text(encoding="utf-8").split()
    if not names:
        raise BadFileError(listed, "no image in it", f"detbench data download voc{year}")
    return [base / "Annotations" / f"{name}.xml" for name in names]


def _document(kit: Path, files: list[Path]) -> dict[str, list[dict[str, Any]]]:
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for number, file in enumerate(files, 1):
        try:
            root = ElementTree.parse(file).getroot()  # noqa: S314 - its parser knows no entities
            images.append(
                {
                    "id": number,
                    "file_name": f"{file.parts[-3]}/JPEGImages/{_text(root, 'filename')}",
                    "width": int(_text(root, "size/width")),
                    "height": int(_text(root, "size/height")),
                }
            )
            for found in root.findall("object"):
                objects.append(_object(found, number, len(objects) + 1))
        except (ElementTree.ParseError, ValueError) as error:
            raise BadFileError(
                file, f"not a VOC annotation: {error}", "fetch the archive again"
            ) from error
    return {
        "images": images,
        "annotations": objects,
        "categories": [{"id": i, "name": name} for i, name in enumerate(CLASSES, 1)],
    }


def _object(found: ElementTree.Element, image: int, number: int) -> dict[str, Any]:
    name = _text(found, "name")
    if name not in CLASSES:
        raise ValueError(f"'{name}' is not a class of VOC")
    low_x, low_y, high_x, high_y = (
        float(_text(found, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    # Pixels are counted from 1, and the last one belongs to the box.
    box = [low_x - 1, low_y - 1, high_x - low_x + 1, high_y - low_y + 1]
    return {
        "id": number,
        "image_id": image,
        "category_id": CLASSES.index(name) + 1,
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": 0,
        "difficult": int(found.findtext("difficult") or 0),
    }


def _text(element: ElementTree.Element, path: str) -> str:
    value = element.findtext(path)
    if value is None:
        raise ValueError(f"no {path} in it")
    return value.strip()
