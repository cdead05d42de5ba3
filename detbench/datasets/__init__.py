"""Datasets by name: the embedded one, COCO 2017, VOC, or any folder in COCO's layout."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from detbench.datasets import voc
from detbench.datasets.coco import CocoDataset, open_coco
from detbench.records.events import emit

NAMES = ("embedded", "coco", *voc.NAMES)

_ROOT = Path("/dataset")


def datasets_root() -> Path:
    """The folder of the named datasets: `DETECTRON2_DATASETS`, as in detectron2, or `/dataset`."""
    named = os.environ.get("DETECTRON2_DATASETS")
    return Path(named).expanduser() if named else _ROOT


def prepare_dataset(name: str, *, panoptic: bool) -> None:
    """Do the one-time conversion of a dataset, so that it does not count in a training's time.

    Raises:
        MissingError: the dataset, or a package that makes it, is missing.
        BadFileError: the dataset is broken.
    """
    if panoptic:
        from detbench.datasets.panoptic import open_panoptic, semantic_masks

        show = partial(emit, "progress", phase="making semantic masks")
        for split in open_panoptic(open_dataset(name)):
            semantic_masks(split, lambda done, total: show(done=done, total=total))
    elif name == "embedded" or name in voc.NAMES:
        open_dataset(name)


def open_dataset(name: str, root: Path | None = None) -> CocoDataset:
    """Open `embedded`, `coco`, a VOC dataset, or a folder given by its path.

    The named datasets are under `root`, by default `datasets_root()`.

    Raises:
        MissingError: the dataset, or a package that makes it, is missing.
        BadFileError: its annotations are invalid, or an image is missing.
    """
    if name == "embedded":
        from detbench.datasets.embedded import open_embedded

        return open_embedded()
    root = root or datasets_root()
    if name in voc.NAMES:
        return voc.open_voc(name, root)
    return open_coco(name, root if name == "coco" else Path(name))
