"""COCO images and targets as torchvision's detection models take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from pycocotools.coco import COCO
from torch.utils.data import Dataset

from detbench.datasets.coco import Split
from detbench.errors import BadFileError

Sample = tuple[torch.Tensor, dict[str, torch.Tensor]]


class CocoImages(Dataset[Sample]):
    """The images of a split with boxes, labels (1..n, 0 is background) and masks.

    An image is a float tensor (3, H, W) in 0..1; boxes are (N, 4) as x1, y1, x2, y2 in pixels,
    masks (N, H, W).

    Args:
        training: leave out images without a usable object, and flip half of the others.
    """

    def __init__(self, split: Split, *, training: bool) -> None:
        self.coco = COCO(str(split.annotations))
        self._split = split
        self._training = training
        self.category_ids = sorted(self.coco.getCatIds())
        self._label = {category: i + 1 for i, category in enumerate(self.category_ids)}
        ids = sorted(self.coco.getImgIds())
        self.image_ids = [i for i in ids if self._objects(i)] if training else ids

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> Sample:
        image_id = self.image_ids[index]
        path = self._split.images / self.coco.loadImgs(image_id)[0]["file_name"]
        try:
            with Image.open(path) as opened:
                pixels = np.asarray(opened.convert("RGB"))
        except OSError as error:
            raise BadFileError(path, f"not a readable image: {error}", "fetch it again") from error
        image = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
        target = self._target(image_id, image.shape[1:])
        if self._training and torch.rand(()) < 0.5:
            image, target = _flipped(image, target)
        return image, target

    def _objects(self, image_id: int) -> list[dict[str, Any]]:
        found = self.coco.loadAnns(self.coco.getAnnIds(imgIds=image_id, iscrowd=False))
        return [a for a in found if a["bbox"][2] > 0 and a["bbox"][3] > 0]

    def _target(self, image_id: int, size: torch.Size) -> dict[str, torch.Tensor]:
        objects = self._objects(image_id)
        boxes = torch.tensor([o["bbox"] for o in objects], dtype=torch.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        masks = [self.coco.annToMask(o) for o in objects]
        stacked = np.stack(masks) if masks else np.zeros((0, *size), np.uint8)
        return {
            "boxes": boxes,
            "labels": torch.tensor([self._label[o["category_id"]] for o in objects]).long(),
            "masks": torch.from_numpy(stacked),
        }


def _flipped(image: torch.Tensor, target: dict[str, torch.Tensor]) -> Sample:
    width = image.shape[2]
    boxes = target["boxes"]
    mirrored = torch.stack(
        [width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], dim=1
    )
    return image.flip(2), {**target, "boxes": mirrored, "masks": target["masks"].flip(2)}
