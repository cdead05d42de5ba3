"""Panoptic FPN in detectron2: its data, and panoptic quality without the panopticapi package."""

from __future__ import annotations

from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets.coco import load_coco_json
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm
from numpy.typing import NDArray
from PIL import Image

from detbench.datasets.coco import Split
from detbench.datasets.panoptic import VOID, PanopticSplit, segment_numbers, semantic_masks
from detbench.training.panoptic_quality import Tally, quality, tally


def register_panoptic(name: str, split: Split, panoptic: PanopticSplit) -> None:
    """Register a split with instances and, for stuff, semantic masks with their own labels.

    The authors of Panoptic FPN did so, and detectron2's `..._separated` datasets do, but their
    loader reads JPEGs only.
    """
    masks = semantic_masks(panoptic)

    def records() -> list[dict[str, Any]]:
        found = load_coco_json(str(split.annotations), str(split.images), name)
        for record in found:
            mask, _ = panoptic.of_image[record["image_id"]]
            record["sem_seg_file_name"] = str(masks / mask)
        return found

    DatasetCatalog.register(name, records)
    MetadataCatalog.get(name).set(
        json_file=str(split.annotations),
        image_root=str(split.images),
        evaluator_type="coco",
        ignore_label=VOID,
        stuff_classes=["things", *panoptic.stuff.values()],
        panoptic=panoptic,
    )


def labels_of(path: str, dtype: type = int) -> NDArray[Any]:
    """A semantic mask, (H, W); upstream's own loader fails with numpy 2."""
    with Image.open(path) as opened:
        return np.asarray(opened, dtype=dtype)


class PanopticEvaluator(DatasetEvaluator):  # type: ignore[misc]
    """PQ, SQ and RQ over the val split, under upstream's names."""

    def __init__(self, dataset_name: str) -> None:
        self._metadata = MetadataCatalog.get(dataset_name)
        self._panoptic: PanopticSplit = self._metadata.panoptic
        things = self._metadata.thing_dataset_id_to_contiguous_id
        self._things = {ours: theirs for theirs, ours in things.items()}
        self._stuff = dict(enumerate(self._panoptic.stuff, 1))
        self._tallies: list[dict[int, Tally]] = []

    def reset(self) -> None:
        self._tallies = []

    def process(self, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> None:
        for asked, found in zip(inputs, outputs, strict=True):
            numbers, segments = found["panoptic_seg"]
            categories = {
                s["id"]: (self._things if s["isthing"] else self._stuff)[s["category_id"]]
                for s in segments
            }
            mask, truth = self._panoptic.of_image[asked["image_id"]]
            self._tallies.append(
                tally(
                    numbers.cpu().numpy().astype(np.int32),
                    categories,
                    segment_numbers(self._panoptic.masks / mask),
                    truth,
                )
            )

    def evaluate(self) -> dict[str, dict[str, float]] | None:
        parts = comm.gather(self._tallies)
        if not comm.is_main_process():
            return None
        everything = [one for part in parts for one in part]
        return {"panoptic_seg": quality(everything, self._things.values())}
