"""Datasets in COCO's format: the paths of images and annotations, and the classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from detbench.datasets.annotations import read_listing
from detbench.errors import BadFileError, MissingError
from detbench.hashing import sha256_of

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
    """A dataset in COCO's format.

    Attributes:
        classes: names, in the order of the category ids in the annotation file.
        digest: sha256 over both annotation files, recorded with every run.
        num_images: number of images in the train split, which is an epoch.
        rule: the evaluation that defines its accuracy.
    """

    name: str
    train: Split
    val: Split
    classes: tuple[str, ...]
    digest: str
    num_images: int
    rule: Literal["coco", "voc"] = "coco"


def open_coco(name: str, root: Path) -> CocoDataset:
    """Open the dataset under `root`, in one of COCO 2017's layouts.

    Raises:
        MissingError: `root` or a part of the layout is missing.
        BadFileError: the annotations are not COCO's, or name images that are missing.
    """
    return open_splits(name, *find_splits(root))


def open_splits(
    name: str, train: Split, val: Split, rule: Literal["coco", "voc"] = "coco"
) -> CocoDataset:
    """Open a dataset of these two splits.

    Raises:
        BadFileError: the annotations are not COCO's, or name images that are missing.
    """
    listing = read_listing(train.annotations, train.images)
    if not listing.num_usable:
        raise BadFileError(
            train.annotations,
            "no image with a usable object in it",
            "training needs objects that are not a crowd and have an area",
        )
    return CocoDataset(
        name=name,
        train=train,
        val=val,
        classes=tuple(read_listing(val.annotations, val.images).class_of.values()),
        digest=sha256_of(train.annotations, val.annotations),
        num_images=len(listing.images),
        rule=rule,
    )


def find_splits(root: Path) -> tuple[Split, Split]:
    """Find the train and val splits under `root`.

    The parts of COCO are side by side in `root` or in `root/coco`; images may also be in a folder
    `images` beside the annotations.

    Raises:
        MissingError: `root` or a part of the layout is missing.
    """
    if not root.is_dir():
        raise MissingError(
            f"dataset folder {root} does not exist",
            f"detbench data download coco fetches COCO 2017 ({_LAYOUT}); or --dataset embedded",
        )
    base = root / "coco" if (root / "coco" / "annotations").is_dir() else root
    splits = []
    for split in ("train", "val"):
        images = base / f"{split}2017"
        nested = base / "images" / f"{split}2017"
        found = Split(
            nested if nested.is_dir() and not images.is_dir() else images,
            base / "annotations" / f"instances_{split}2017.json",
        )
        for part in (found.annotations, found.images):
            if not part.exists():
                raise MissingError(f"dataset part {part} does not exist", f"expected: {_LAYOUT}")
        splits.append(found)
    return splits[0], splits[1]
