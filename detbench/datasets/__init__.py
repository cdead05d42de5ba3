"""Datasets by name: the embedded one, COCO 2017, or any folder in COCO's layout."""

from __future__ import annotations

from pathlib import Path

from detbench.datasets.coco import CocoDataset, open_coco

COCO_ROOT = Path("/dataset")


def open_dataset(name: str) -> CocoDataset:
    """Open `embedded`, `coco` (under `/dataset`) or the folder of that path.

    Raises:
        MissingError: the dataset, or what makes it, is not there.
        BadFileError: its annotations are not COCO's.
    """
    if name == "embedded":
        from detbench.datasets.embedded import open_embedded

        return open_embedded()
    return open_coco(name, COCO_ROOT if name == "coco" else Path(name))
