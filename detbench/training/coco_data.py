"""Images and objects of a split in COCO's format, for the frameworks that train in our loop."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from PIL import Image
from pycocotools.coco import COCO
from torch.utils.data import Dataset

from detbench.datasets.coco import Split
from detbench.errors import BadFileError
from detbench.training.randomness import drawing_for

Object = dict[str, Any]
"""An annotation in COCO's format."""


class CocoImages(Dataset[Any]):
    """The images of a split and their objects, without crowds.

    A framework's `sample` turns them into its own samples.

    Args:
        training: leave out images without a usable object, take (position, index) as index, and
            draw the augmentation of that position of the training.
    """

    def __init__(self, split: Split, *, training: bool, seed: int = 0) -> None:
        self.coco = COCO(str(split.annotations))
        self._split, self._seed = split, seed
        self.training = training
        self.category_ids = sorted(self.coco.getCatIds())
        self.labels = {category: i + 1 for i, category in enumerate(self.category_ids)}
        """By category id: its label, from 1 on; 0 is the background."""
        ids = sorted(self.coco.getImgIds())
        self.image_ids = [i for i in ids if self.objects(i)] if training else ids

    @abstractmethod
    def sample(self, image: Image.Image, image_id: int) -> Any:
        """A framework's training sample from an RGB image and `objects(image_id)`."""

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: Any) -> Any:
        if not self.training:
            return self._load(index)
        position, index = index
        with drawing_for(self._seed, position):
            return self._load(index)

    def _load(self, index: int) -> Any:
        image_id = self.image_ids[index]
        path = self._split.images / self.coco.loadImgs(image_id)[0]["file_name"]
        try:
            with Image.open(path) as opened:
                return self.sample(opened.convert("RGB"), image_id)
        except OSError as error:
            raise BadFileError(path, f"not a readable image: {error}", "fetch it again") from error

    def objects(self, image_id: int) -> list[Object]:
        """The objects of an image, without those of no area."""
        found = self.coco.loadAnns(self.coco.getAnnIds(imgIds=image_id, iscrowd=False))
        return [a for a in found if a["bbox"][2] > 0 and a["bbox"][3] > 0]
