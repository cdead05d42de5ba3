"""COCO-format datasets on disk: where images and annotations lie, and their classes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from detbench.errors import BadFileError, MissingError

_LAYOUT = (
    "annotations/instances_train2017.json, annotations/instances_val2017.json, train2017, val2017"
)


@dataclass(frozen=True)
class Split:
    """One split: a folder of images and the annotation file that lists them."""

    images: Path
    annotations: Path


@dataclass(frozen=True)
class CocoDataset:
    """A dataset in COCO's layout.

    Attributes:
        classes: names in the order of the annotation file's category ids.
        digest: sha256 over both annotation files, recorded with every run.
    """

    name: str
    train: Split
    val: Split
    classes: tuple[str, ...]
    digest: str


def open_coco(name: str, root: Path) -> CocoDataset:
    """Open the dataset under `root`, in COCO 2017's layout or with a `coco` folder in between.

    Raises:
        MissingError: `root` or a part of the layout is not there.
        BadFileError: the annotations of the val split are not COCO's.
    """
    train, val = find_splits(root)
    return CocoDataset(
        name=name,
        train=train,
        val=val,
        # The val file holds the same categories and is the smaller one by far.
        classes=_classes(val.annotations),
        digest=_digest(train.annotations, val.annotations),
    )


def find_splits(root: Path) -> tuple[Split, Split]:
    """Where the train and val splits lie under `root`.

    Raises:
        MissingError: `root` or a part of the layout is not there.
    """
    if not root.is_dir():
        raise MissingError(
            f"dataset folder {root} does not exist",
            f"put COCO 2017 there ({_LAYOUT}), or pass --dataset embedded",
        )
    base = root / "coco" if (root / "coco" / "annotations").is_dir() else root
    splits = []
    for split in ("train", "val"):
        found = Split(base / f"{split}2017", base / "annotations" / f"instances_{split}2017.json")
        for part in (found.annotations, found.images):
            if not part.exists():
                raise MissingError(f"dataset part {part} does not exist", f"expected: {_LAYOUT}")
        splits.append(found)
    return splits[0], splits[1]


def _classes(annotations: Path) -> tuple[str, ...]:
    try:
        categories = json.loads(annotations.read_bytes())["categories"]
        return tuple(c["name"] for c in sorted(categories, key=lambda c: c["id"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadFileError(
            annotations, f"not a COCO annotation file: {error!r}", "download it again"
        ) from error


def _digest(*files: Path) -> str:
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()
