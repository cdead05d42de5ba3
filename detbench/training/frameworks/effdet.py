"""effdet: EfficientDet from rwightman's package, in our plain training loop.

Upstream's own loader requires CUDA; its transforms, collation and anchor labels are used here in a
loader that also runs on a CPU.
"""

from __future__ import annotations

import importlib.metadata
import socket
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import effdet
import numpy as np
import torch
from effdet.data.loader import DetectionFastCollate
from effdet.data.transforms import (
    Compose,
    ImageToNumpy,
    RandomFlip,
    RandomResizePad,
    ResizePad,
    resolve_fill_color,
)
from huggingface_hub import constants
from PIL import Image
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import nn

from detbench.datasets.coco import Split
from detbench.training.coco_data import CocoImages
from detbench.training.loop import Detections, LoopTrainer, Recipe, in_batches
from detbench.training.protocol import Hook, Job, Trainer
from detbench.training.random_weights import OTHER_WEIGHTS, ZooUnreachableError

_MOMENTUM = 0.9
_DETECTED_AT_ONCE = 8  # images: enough to keep a GPU busy, while D7 still fits

_Batch = tuple[torch.Tensor, dict[str, torch.Tensor]]


def versions() -> dict[str, str]:
    """The versions of effdet and of timm, which provides the backbones."""
    return {name: importlib.metadata.version(name) for name in ("effdet", "timm")}


def build(job: Job, hooks: Sequence[Hook]) -> Trainer:
    """A training loop for `job`."""
    section = job.model.effdet
    assert section is not None  # checked when the spec was made
    config = effdet.get_efficientdet_config(section.config)
    for key, value in section.overrides.items():
        config[key] = value
    if job.device.type == "cuda":  # all images have one size, so the choice of algorithms lasts
        torch.backends.cudnn.benchmark = not job.spec.deterministic
    bench = _bench(job, config).to(job.device)
    size = tuple(bench.config.image_size)
    fill = resolve_fill_color("mean", IMAGENET_DEFAULT_MEAN)
    scale = {"scale": section.random_scale, "interpolation": "random", "fill_color": fill}
    augment = Compose([RandomFlip(), RandomResizePad(size, **scale), ImageToNumpy()])
    resize = Compose([ResizePad(size, fill_color=fill), ImageToNumpy()])
    recipe = Recipe(
        model=bench,
        optimizer=torch.optim.SGD(
            _groups(bench, section.weight_decay),
            lr=job.schedule.learning_rate,
            momentum=_MOMENTUM,
        ),
        losses=partial(_losses, job.device),
        images=partial(_Images, job.dataset.train, augment, training=True, seed=job.spec.seed),
        collate=DetectionFastCollate(),
        detect=partial(_detect, job.device),
        val_images=_Images(job.dataset.val, resize, training=False),
        tasks=("bbox",),
        clip_norm=section.clip_gradient_norm,
        average_decay=section.average_decay,
        runs_ahead=True,
    )
    return LoopTrainer(job, hooks, recipe)


def _bench(job: Job, config: Any) -> Any:
    """The model with its losses, an `effdet.DetBenchTrain`.

    Raises:
        ZooUnreachableError: the weights of its backbone cannot be fetched.
    """
    from_zoo = job.spec.weights == "zoo"
    if from_zoo and not getproxies() and not _resolves(constants.ENDPOINT):
        constants.HF_HUB_OFFLINE = True  # the hub's package would try for most of a minute
    try:
        return effdet.create_model_from_config(
            config,
            bench_task="train",
            num_classes=len(job.dataset.classes),
            pretrained_backbone=from_zoo,
            bench_labeler=True,
        )
    except OSError as error:
        raise ZooUnreachableError(
            f"weights of the backbone cannot be fetched: {' '.join(str(error).split())}",
            OTHER_WEIGHTS,
        ) from error


def _resolves(address: str) -> bool:
    """Whether the address's host has an IP address here; without a network none has."""
    try:
        socket.getaddrinfo(urlsplit(address).hostname, None)
    except OSError:
        return False
    return True


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The parameters in groups; biases and norms are not decayed, as in upstream's optimizer."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


class _Images(CocoImages):
    """Images and targets for effdet's transforms and collation.

    Boxes are (N, 4) as y1, x1, y2, x2 in pixels, classes (N) from 1 on.
    """

    def __init__(self, split: Split, transform: Compose, *, training: bool, seed: int = 0) -> None:
        super().__init__(split, training=training, seed=seed)
        self._transform = transform

    def sample(self, image: Image.Image, image_id: int) -> tuple[Any, dict[str, Any]]:
        target: dict[str, Any] = {"img_size": image.size}
        if self.training:
            objects = self.objects(image_id)
            boxes = np.array([o["bbox"] for o in objects], dtype=np.float32).reshape(-1, 4)
            x, y, width, height = boxes.T
            target["bbox"] = np.stack([y, x, y + height, x + width], axis=1)
            target["cls"] = np.array([self.labels[o["category_id"]] for o in objects])
        return self._transform(image, target)


def _normalized(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    mean = torch.tensor(IMAGENET_DEFAULT_MEAN, device=device).view(1, 3, 1, 1) * 255
    std = torch.tensor(IMAGENET_DEFAULT_STD, device=device).view(1, 3, 1, 1) * 255
    return (images.to(device, non_blocking=True).float() - mean) / std


def _losses(device: torch.device, model: nn.Module, batch: _Batch) -> Mapping[str, torch.Tensor]:
    images, target = batch
    on_device = {k: v.to(device, non_blocking=True) for k, v in target.items()}
    found = model(_normalized(images, device), on_device)
    # Upstream's total is the class loss plus the weighted box loss.
    return {"loss_cls": found["class_loss"], "loss_box_reg": found["loss"] - found["class_loss"]}


def _detect(
    device: torch.device, model: nn.Module, images: CocoImages, indices: Sequence[int]
) -> Iterator[Detections]:
    predict = effdet.DetBenchPredict(model.model).to(device).eval()
    collate = DetectionFastCollate()
    for batch in in_batches(indices, _DETECTED_AT_ONCE):
        pixels, target = collate([images[i] for i in batch])
        info = {name: target[name].to(device) for name in ("img_scale", "img_size")}
        for index, rows in zip(batch, predict(_normalized(pixels, device), info), strict=True):
            yield _as_coco(images.image_ids[index], rows.cpu(), images.category_ids)


def _as_coco(image_id: int, rows: torch.Tensor, category_ids: list[int]) -> Detections:
    """Detections (N, 6) as x1, y1, x2, y2, score, class in COCO's results format."""
    rows = rows[rows[:, 4] > 0]  # the rest pads to upstream's fixed number
    rows[:, 2:4] -= rows[:, :2]
    return [
        {"image_id": image_id, "category_id": category_ids[int(c) - 1], "bbox": box, "score": score}
        for *box, score, c in rows.tolist()
    ]
