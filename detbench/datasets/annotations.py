"""Checks an annotation file in COCO's format, and the images that it lists."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from detbench.errors import BadFileError

_AGAIN = "fetch it again: detbench data download"


class _Image(msgspec.Struct):
    id: int
    file_name: str
    width: int
    height: int


class _Annotation(msgspec.Struct):
    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: int = 0


class _Category(msgspec.Struct):
    id: int
    name: str


class _Document(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


@dataclass(frozen=True)
class Listing:
    """The content of an annotation file.

    Attributes:
        class_of: names by category id, in the order of the ids, which may have gaps.
        images: id, file name, width and height in pixels.
        num_usable: number of annotations to train on: not a crowd, and with an area.
    """

    class_of: dict[int, str]
    images: tuple[tuple[int, str, int, int], ...]
    num_annotations: int
    num_usable: int


def read_listing(path: Path, images: Path) -> Listing:
    """Read an annotation file and check that everything it refers to is there.

    Args:
        path: the instances file in COCO's format.
        images: the folder of its images.

    Raises:
        BadFileError: the file is missing, an id is unknown, or an image is missing.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadFileError(path, f"not a COCO annotation file: {error}", _AGAIN) from error
    except OSError as error:
        raise BadFileError(
            path, f"cannot be read: {error.strerror}", "check its permissions"
        ) from error
    if not found.images:
        raise BadFileError(path, "no image in it", "a dataset needs images in both splits")
    if not found.categories:
        raise BadFileError(path, "no category in it", "COCO's annotations name their classes")
    image_ids = _unique(path, "image", [image.id for image in found.images])
    category_ids = _unique(path, "category", [category.id for category in found.categories])
    _unique(path, "annotation", [annotation.id for annotation in found.annotations])
    for annotation in found.annotations:
        if annotation.image_id not in image_ids:
            raise _unresolved(path, annotation.id, f"image {annotation.image_id}")
        if annotation.category_id not in category_ids:
            raise _unresolved(path, annotation.id, f"category {annotation.category_id}")
    _all_there(path, images, [image.file_name for image in found.images])
    return Listing(
        class_of={c.id: c.name for c in sorted(found.categories, key=lambda c: c.id)},
        images=tuple((i.id, i.file_name, i.width, i.height) for i in found.images),
        num_annotations=len(found.annotations),
        num_usable=sum(not a.iscrowd and min(a.bbox[2:]) > 0 for a in found.annotations),
    )


def _unique(path: Path, what: str, ids: list[int]) -> set[int]:
    unique = set(ids)
    if len(unique) < len(ids):
        twice = next(i for i in unique if ids.count(i) > 1)
        raise BadFileError(path, f"{what} id {twice} is in it twice", _AGAIN)
    return unique


def _unresolved(path: Path, annotation: int, what: str) -> BadFileError:
    return BadFileError(
        path, f"it belongs to {what}, which is not in it", _AGAIN, place=f"annotation {annotation}"
    )


def _all_there(path: Path, images: Path, names: list[str]) -> None:
    """Look for the images in listings of their folders: one query per image would take minutes."""
    present: set[str] = set()
    for folder in {os.path.dirname(name) for name in names}:  # noqa: PTH120 - names, not paths
        try:
            with os.scandir(images / folder) as entries:
                present.update(os.path.join(folder, e.name) for e in entries)  # noqa: PTH118
        except OSError:  # then all images in it are absent
            continue
    absent = [name for name in names if name not in present]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise BadFileError(
            path,
            f"it lists {absent[0]}{more}, not in {images}",
            "fetch the images again: detbench data download",
        )


def check_images(
    listing: Listing, images: Path, on_image: Callable[[int, int], Any] = lambda *_: None
) -> None:
    """Open every image's header and compare its size with what is listed.

    `on_image` is called with the number of images checked, and the number of all images.

    Raises:
        BadFileError: an image is not readable, or has another size.
    """
    from PIL import Image

    for done, (_, name, width, height) in enumerate(listing.images, 1):
        path = images / name
        try:
            with Image.open(path) as opened:
                size = opened.size
        except OSError as error:
            raise BadFileError(path, f"not a readable image: {error}", _AGAIN) from error
        if size != (width, height):
            raise BadFileError(
                path,
                f"{size[0]} x {size[1]} pixels, where {width} x {height} are listed",
                _AGAIN,
            )
        on_image(done, len(listing.images))
