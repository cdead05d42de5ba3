"""torchvision: its detection models, in our plain training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as run_lengths
from torch import nn
from torchvision.models import resnet18
from torchvision.models.detection import (
    FasterRCNN,
    MaskRCNN,
    RetinaNet,
    fasterrcnn_resnet50_fpn,
    maskrcnn_resnet50_fpn,
    retinanet_resnet50_fpn,
)
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from detbench.datasets.coco import Split
from detbench.training.coco_data import CocoImages
from detbench.training.loop import Detections, LoopTrainer, Recipe
from detbench.training.protocol import Hook, Job, Trainer
from detbench.training.random_weights import OTHER_WEIGHTS, ZooUnreachableError

_MOMENTUM, _WEIGHT_DECAY = 0.9, 1e-4  # as in detectron2's and torchvision's references
_MASK_THRESHOLD = 0.5

_Sample = tuple[torch.Tensor, dict[str, torch.Tensor]]


def versions() -> dict[str, str]:
    """Nothing: every record holds torchvision's version anyway."""
    return {}


def build(job: Job, hooks: Sequence[Hook]) -> Trainer:
    """A training loop for `job`."""
    assert job.model.torchvision is not None  # checked when the spec was made
    builder = _BUILDERS[job.model.torchvision.builder]
    try:
        model = builder.build(len(job.dataset.classes), job.spec.weights).to(job.device)
    except OSError as error:
        raise ZooUnreachableError(
            f"weights of torchvision's zoo cannot be fetched: {error}",
            OTHER_WEIGHTS,
        ) from error
    masks, seed = "segm" in builder.tasks, job.spec.seed
    recipe = Recipe(
        model=model,
        optimizer=torch.optim.SGD(
            [p for p in model.parameters() if p.requires_grad],
            lr=job.schedule.learning_rate,
            momentum=_MOMENTUM,
            weight_decay=_WEIGHT_DECAY,
        ),
        losses=partial(_losses, job.device),
        images=partial(_Images, job.dataset.train, masks=masks, training=True, seed=seed),
        collate=list,
        detect=partial(_detect, job.device),
        val_images=_Images(job.dataset.val, masks=False, training=False),
        tasks=builder.tasks,
        clip_norm=job.model.torchvision.clip_gradient_norm,
    )
    return LoopTrainer(job, hooks, recipe)


@dataclass(frozen=True)
class _Builder:
    """Builds a model for a number of classes; `tasks` are the COCO tasks of its evaluation."""

    build: Callable[[int, str], nn.Module]
    tasks: tuple[str, ...]


def _resnet50(model: Callable[..., nn.Module]) -> Callable[[int, str], nn.Module]:
    """One of torchvision's own models; the background is one more class."""
    return lambda num_classes, weights: model(
        weights=None,
        weights_backbone="DEFAULT" if weights == "zoo" else None,
        num_classes=num_classes + 1,
    )


# The torchvision twins of detectron2's tiny models.

_CHANNELS = 64
_SMALL_IMAGES: dict[str, Any] = {"min_size": 128, "max_size": 256}
_SIZES = (12, 24, 48, 96, 192)
_RATIOS = (0.5, 1.0, 2.0)


def _tiny_backbone(first: int, extra: nn.Module | None = None) -> nn.Module:
    """ResNet-18 with a feature pyramid on its layers from `first` to 4."""
    return BackboneWithFPN(
        resnet18(weights=None),
        return_layers={f"layer{i}": str(i - first) for i in range(first, 5)},
        in_channels_list=[64 << (i - 1) for i in range(first, 5)],
        out_channels=_CHANNELS,
        extra_blocks=extra,
    )


def _tiny_rcnn(num_classes: int) -> dict[str, Any]:
    """The part that Faster R-CNN and Mask R-CNN share."""
    return {
        **_SMALL_IMAGES,
        "backbone": _tiny_backbone(1),
        "rpn_anchor_generator": AnchorGenerator(
            tuple((size,) for size in _SIZES), (_RATIOS,) * len(_SIZES)
        ),
        "rpn_pre_nms_top_n_train": 300,
        "rpn_post_nms_top_n_train": 200,
        "rpn_pre_nms_top_n_test": 300,
        "rpn_post_nms_top_n_test": 100,
        "box_head": TwoMLPHead(_CHANNELS * 7 * 7, 256),
        "box_predictor": FastRCNNPredictor(256, num_classes + 1),
        "box_batch_size_per_image": 64,
    }


def _tiny_faster_rcnn(num_classes: int, _: str) -> nn.Module:
    return FasterRCNN(**_tiny_rcnn(num_classes))


def _tiny_mask_rcnn(num_classes: int, _: str) -> nn.Module:
    return MaskRCNN(
        **_tiny_rcnn(num_classes),
        mask_head=MaskRCNNHeads(_CHANNELS, (_CHANNELS,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(_CHANNELS, _CHANNELS, num_classes + 1),
    )


def _tiny_retinanet(num_classes: int, _: str) -> nn.Module:
    # Three sizes per octave, as upstream.
    sizes = tuple(tuple(int(size * 2 ** (i / 3)) for i in range(3)) for size in _SIZES)
    anchors = AnchorGenerator(sizes, (_RATIOS,) * len(sizes))
    num_anchors = anchors.num_anchors_per_location()[0]
    return RetinaNet(
        _tiny_backbone(2, LastLevelP6P7(_CHANNELS, _CHANNELS)),
        num_classes + 1,
        anchor_generator=anchors,
        # All levels share the head, so batch norm would mix their statistics.
        head=RetinaNetHead(
            _CHANNELS, num_anchors, num_classes + 1, norm_layer=partial(nn.GroupNorm, 16)
        ),
        topk_candidates=300,
        **_SMALL_IMAGES,
    )


_BOXES, _MASKS = ("bbox",), ("bbox", "segm")
_BUILDERS: dict[str, _Builder] = {
    "fasterrcnn_resnet50_fpn": _Builder(_resnet50(fasterrcnn_resnet50_fpn), _BOXES),
    "fasterrcnn_resnet18_fpn_tiny": _Builder(_tiny_faster_rcnn, _BOXES),
    "maskrcnn_resnet50_fpn": _Builder(_resnet50(maskrcnn_resnet50_fpn), _MASKS),
    "maskrcnn_resnet18_fpn_tiny": _Builder(_tiny_mask_rcnn, _MASKS),
    "retinanet_resnet50_fpn": _Builder(_resnet50(retinanet_resnet50_fpn), _BOXES),
    "retinanet_resnet18_fpn_tiny": _Builder(_tiny_retinanet, _BOXES),
}


class _Images(CocoImages):
    """Images and targets for torchvision's models.

    An image is a float tensor (3, H, W) in 0..1; boxes are (N, 4) as x1, y1, x2, y2 in pixels,
    labels (N), masks (N, H, W). Half of the images are flipped in training.
    """

    def __init__(self, split: Split, *, masks: bool, training: bool, seed: int = 0) -> None:
        super().__init__(split, training=training, seed=seed)
        self._masks = masks

    def sample(self, image: Image.Image, image_id: int) -> _Sample:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        if not self.training:  # the evaluation reads the objects itself
            return pixels, {}
        target = self._target(image_id)
        if torch.rand(()) < 0.5:
            return _flipped(pixels, target)
        return pixels, target

    def _target(self, image_id: int) -> dict[str, torch.Tensor]:
        objects = self.objects(image_id)
        boxes = torch.tensor([o["bbox"] for o in objects], dtype=torch.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        target = {
            "boxes": boxes,
            "labels": torch.tensor([self.labels[o["category_id"]] for o in objects]).long(),
        }
        if self._masks:
            masks = np.stack([self.coco.annToMask(o) for o in objects])
            target["masks"] = torch.from_numpy(masks)
        return target


def _flipped(image: torch.Tensor, target: dict[str, torch.Tensor]) -> _Sample:
    width = image.shape[2]
    x1, y1, x2, y2 = target["boxes"].unbind(dim=1)
    mirrored = {"boxes": torch.stack([width - x2, y1, width - x1, y2], dim=1)}
    if "masks" in target:
        mirrored["masks"] = target["masks"].flip(2)
    return image.flip(2), {**target, **mirrored}


def _losses(
    device: torch.device, model: nn.Module, samples: Sequence[_Sample]
) -> Mapping[str, torch.Tensor]:
    images = [image.to(device) for image, _ in samples]
    targets = [{k: v.to(device) for k, v in target.items()} for _, target in samples]
    return model(images, targets)


def _detect(
    device: torch.device, model: nn.Module, images: CocoImages, indices: Sequence[int]
) -> Iterator[Detections]:
    """Detect on one image at a time, as upstream's reference does."""
    for index in indices:
        image, _ = images[index]
        found = model([image.to(device)])[0]
        yield _as_coco(images.image_ids[index], found, images.category_ids)


def _as_coco(image_id: int, found: dict[str, torch.Tensor], category_ids: list[int]) -> Detections:
    """A model's detections on one image in COCO's results format."""
    boxes = found["boxes"].cpu()
    boxes[:, 2:] -= boxes[:, :2]
    results: Detections = [
        {"image_id": image_id, "category_id": category_ids[label - 1], "bbox": box, "score": score}
        for box, label, score in zip(
            boxes.tolist(), found["labels"].tolist(), found["scores"].tolist(), strict=True
        )
    ]
    if "masks" in found:
        masks = (found["masks"][:, 0] > _MASK_THRESHOLD).cpu().numpy().astype(np.uint8)
        for result, mask in zip(results, masks, strict=True):
            mask_runs = run_lengths.encode(np.asfortranarray(mask))
            result["segmentation"] = {**mask_runs, "counts": mask_runs["counts"].decode("ascii")}
    return results
