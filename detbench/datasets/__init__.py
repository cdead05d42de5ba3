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
    """Make what is made of a dataset once, so that no training's clock has it on it.

    Raises:
        MissingError: the dataset, or what makes it, is not there.
        BadFileError: it is broken.
    """
    if panoptic:
        from detbench.datasets.panoptic import open_panoptic, semantic_masks

        show = partial(emit, "progress", phase="making semantic masks")
        for split in open_panoptic(open_dataset(name)):
            semantic_masks(split, lambda done, total: show(done=done, total=total))
    elif name == "embedded" or name in voc.NAMES:
        open_dataset(name)


def open_dataset(name: str, root: Path | None = None) -> CocoDataset:
    """Open `embedded`, `coco`, one of VOC's, or the folder of that path.

    The named ones lie under `root`, which is `datasets_root()` by default.

    Raises:
        MissingError: the dataset, or what makes it, is not there.
        BadFileError: its annotations are not what they have to be, or an image is not there.
    """
    if name == "embedded":
        from detbench.datasets.embedded import open_embedded

        return open_embedded()
    root = root or datasets_root()
    if name in voc.NAMES:
        return voc.open_voc(name, root)
    return open_coco(name, root if name == "coco" else Path(name))
