"""Datasets: fetching the published ones, and checking those that are there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from detbench.launch.base import OnEvent, ignore

if TYPE_CHECKING:
    import pandas as pd


def download_dataset(
    name: str,
    root: Path | str | None = None,
    *,
    mirror: str = "",
    keep_archives: bool = False,
    on_event: OnEvent | None = None,
) -> Path:
    """Fetch a dataset and unpack it; returns the folder that it is in.

    An interrupted download goes on where it stopped. Archives are checked against the published
    checksums before anything of them is unpacked.

    Args:
        name: `coco`, `coco-panoptic`, `voc2007`, `voc2012` or `voc0712`.
        root: the datasets' folder; $DETECTRON2_DATASETS or /dataset by default.
        mirror: a URL that has the archives by their names.
        keep_archives: whether they are left beside their content.
        on_event: called with `progress` (`phase`, `done` and `total` in bytes) and `note` (`text`).

    Raises:
        UsageError: there is no such dataset.
        MissingError: the server has not got it, or the disk is full.
        BadFileError: what came is not what was published.
    """
    from functools import partial

    from detbench.datasets import datasets_root
    from detbench.datasets.archives import archives_of
    from detbench.datasets.download import check_space, fetch
    from detbench.datasets.unpack import is_unpacked, unpack

    tell = on_event or ignore

    def show(phase: str, done: int, total: int) -> None:
        tell({"event": "progress", "phase": phase, "done": done, "total": total})

    target = datasets_root() if root is None else Path(root)
    archives = archives_of(name)
    check_space(archives, target)
    for archive in archives:
        if is_unpacked(archive, target):
            tell({"event": "note", "text": f"{archive.name}: unpacked already"})
            continue
        fetched = partial(show, f"fetching {archive.name}")
        fetch(archive, target, mirror=mirror, on_bytes=fetched)
        unpack(archive, target, on_bytes=partial(show, f"unpacking {archive.name}"))
        if not keep_archives:
            (target / archive.name).unlink()
    return target


def verify_dataset(
    name: str,
    root: Path | str | None = None,
    *,
    quick: bool = False,
    on_event: OnEvent | None = None,
) -> pd.DataFrame:
    """A row a split of a dataset that is whole: its images, annotations and classes.

    Args:
        name: `coco`, `voc2007`, `voc2012`, `voc0712`, `embedded`, or a folder in COCO's layout.
        root: the datasets' folder; $DETECTRON2_DATASETS or /dataset by default.
        quick: whether opening the images is left out.
        on_event: called with `progress` (`phase`, `done` and `total` in images).

    Raises:
        MissingError: the dataset is not there.
        BadFileError: an annotation or an image is not as it has to be, or there are not as many
            images as published.
    """
    import pandas as pd

    from detbench.datasets.verify import verified

    tell = on_event or ignore

    def show(split: str, done: int, total: int) -> None:
        phase = f"opening the {split} images"
        tell({"event": "progress", "phase": phase, "done": done, "total": total})

    splits = verified(
        name, None if root is None else Path(root), opens_images=not quick, on_image=show
    )
    return pd.DataFrame(
        [
            {
                "split": split.name,
                "images": len(split.listing.images),
                "annotations": split.listing.num_annotations,
                "classes": len(split.listing.class_of),
                "image headers": "not opened (--quick)" if quick else "all readable",
                "folder": str(split.images),
            }
            for split in splits
        ]
    )
