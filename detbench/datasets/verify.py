"""Verifies that a dataset is complete: every image of its listed size, as many as published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from detbench.datasets import open_dataset
from detbench.datasets.annotations import Listing, check_images, read_listing
from detbench.errors import BadFileError

_NUM_IMAGES = {
    "coco": (118_287, 5_000),
    "voc2007": (5_011, 4_952),
    "voc2012": (5_717, 5_823),
    "voc0712": (16_551, 4_952),
}
"""The number of images in the published train and val splits."""

OnImage = Callable[[str, int, int], None]
"""Called with the split, the number of its images opened so far, and the total."""


class VerifiedSplit(NamedTuple):
    """A complete split: its name, its listing, and the folder of its images."""

    name: str
    listing: Listing
    images: Path


def verified(
    name: str, root: Path | None, *, opens_images: bool, on_image: OnImage
) -> Iterator[VerifiedSplit]:
    """Yield the train and the val split, each after its check; see `open_dataset`.

    Raises:
        MissingError: the dataset is missing.
        BadFileError: an annotation or an image is invalid, or the number of images is not the
            published one.
    """
    found = open_dataset(name, root)
    for label, split, number in zip(
        ("train", "val"), (found.train, found.val), _NUM_IMAGES.get(name, (None, None)), strict=True
    ):
        listing = read_listing(split.annotations, split.images)
        _check_number(name, split.annotations, len(listing.images), number)
        if opens_images:
            check_images(listing, split.images, partial(on_image, label))
        yield VerifiedSplit(label, listing, split.images)


def _check_number(name: str, annotations: Path, number: int, expected: int | None) -> None:
    if expected is not None and number != expected:
        raise BadFileError(
            annotations,
            f"it lists {number} images, but {name} has {expected}",
            f"detbench data download {name}",
        )
