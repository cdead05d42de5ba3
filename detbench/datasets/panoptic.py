"""Panoptic annotations in COCO's format: every pixel belongs to a thing or to some stuff."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detbench.datasets.cache import made_once
from detbench.datasets.coco import CocoDataset, Split
from detbench.errors import BadFileError, MissingError

VOID = 255
"""The value of unlabelled pixels in a semantic mask."""


class Segment(msgspec.Struct):
    """A part of an image: its number in the mask, and its category."""

    id: int
    category_id: int
    iscrowd: int = 0


class _Annotation(msgspec.Struct):
    image_id: int
    file_name: str
    segments_info: list[Segment]


class _Category(msgspec.Struct):
    id: int
    name: str
    isthing: int


class _Document(msgspec.Struct):
    annotations: list[_Annotation]
    categories: list[_Category]


@dataclass(frozen=True)
class PanopticSplit:
    """The panoptic annotations of one split.

    Attributes:
        masks: the folder of PNGs, where red + 256 green + 65536 blue is the number of a segment.
        of_image: file name and segments by image id.
        stuff: names of the categories that are not things, by id, in the order of the ids.
    """

    annotations: Path
    masks: Path
    of_image: dict[int, tuple[str, list[Segment]]]
    stuff: dict[int, str]


def open_panoptic(dataset: CocoDataset) -> tuple[PanopticSplit, PanopticSplit]:
    """The panoptic annotations beside a dataset's instances: train and val.

    Raises:
        MissingError: the dataset has none.
        BadFileError: they are not COCO's.
    """
    return _open(dataset.train, "train"), _open(dataset.val, "val")


def _open(split: Split, name: str) -> PanopticSplit:
    annotations = split.annotations.with_name(f"panoptic_{name}2017.json")
    root = annotations.parent.parent
    folders = [root / annotations.stem, annotations.with_suffix("")]
    masks = next((folder for folder in folders if folder.is_dir()), None)
    if not annotations.is_file() or masks is None:
        raise MissingError(
            f"{annotations} or the folder {folders[0]} does not exist",
            "detbench data download coco-panoptic fetches COCO's; embedded has its own",
        )
    try:
        found = msgspec.json.decode(annotations.read_bytes(), type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadFileError(
            annotations, f"not a panoptic annotation file: {error}", "fetch it again"
        ) from error
    return PanopticSplit(
        annotations=annotations,
        masks=masks,
        of_image={a.image_id: (a.file_name, a.segments_info) for a in found.annotations},
        stuff={c.id: c.name for c in sorted(found.categories, key=lambda c: c.id) if not c.isthing},
    )


def segment_numbers(path: Path) -> NDArray[np.int32]:
    """The segment number of each pixel of a mask, (H, W); 0 is no segment.

    Raises:
        BadFileError: it is not a readable image.
    """
    try:
        with Image.open(path) as opened:
            colors = np.asarray(opened.convert("RGB"), dtype=np.int32)
    except OSError as error:
        raise BadFileError(path, f"not a readable mask: {error}", "fetch it again") from error
    numbers: NDArray[np.int32] = colors @ np.array([1, 256, 65536], dtype=np.int32)
    return numbers


def semantic_masks(
    split: PanopticSplit, on_mask: Callable[[int, int], Any] = lambda *_: None
) -> Path:
    """A folder of masks for the stuff alone, made once: 0 a thing, 1.. the stuff, 255 void.

    detectron2 prepares the same in `panoptic_stuff_train2017`, which is used if it exists.
    `on_mask` is called with the number of masks made so far, and the total.
    """
    prepared = split.masks.with_name(split.masks.name.replace("panoptic_", "panoptic_stuff_"))
    if prepared.is_dir():
        return prepared
    key = hashlib.sha256(Path(__file__).read_bytes() + split.annotations.read_bytes())

    def make(folder: Path) -> None:
        label = {category: i for i, category in enumerate(split.stuff, 1)}
        one = partial(_write_semantic, split, label, folder)
        # Decoding and encoding images does not hold the interpreter's lock.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done, _ in enumerate(pool.map(one, split.of_image.values()), 1):
                on_mask(done, len(split.of_image))

    return made_once(f"stuff-{key.hexdigest()[:16]}", make)


def _write_semantic(
    split: PanopticSplit, label: dict[int, int], folder: Path, item: tuple[str, list[Segment]]
) -> None:
    name, segments = item
    numbers = segment_numbers(split.masks / name)
    semantic = np.full(numbers.shape, VOID, dtype=np.uint8)
    for segment in segments:
        semantic[numbers == segment.id] = label.get(segment.category_id, 0)
    Image.fromarray(semantic).save(folder / name)
