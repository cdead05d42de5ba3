"""torchvision: its detection models, in a plain training loop of ours."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from pycocotools import mask as run_lengths
from torch import nn
from torch.utils.data import DataLoader, RandomSampler
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

from detbench.events import emit
from detbench.suite import Schedule
from detbench.training.coco_data import CocoImages, Sample
from detbench.training.coco_eval import TASKS, coco_accuracy
from detbench.training.protocol import Hook, Job, Step, Trainer

_REPORT_EVERY = 20  # iterations between two lines of metrics.json, as in detectron2
_MOMENTUM, _WEIGHT_DECAY = 0.9, 1e-4  # upstream: detectron2's and torchvision's references alike
_MASK_THRESHOLD = 0.5


def versions() -> dict[str, str]:
    """Nothing beyond torchvision's version, which every record holds."""
    return {}


def build(job: Job, hooks: Sequence[Hook]) -> Trainer:
    """A training loop for `job`."""
    random.seed(job.spec.seed)
    np.random.seed(job.spec.seed)
    torch.manual_seed(job.spec.seed)
    return _Trainer(job, hooks)


@dataclass(frozen=True)
class _Builder:
    """Builds a model for a number of classes; `tasks` are COCO's that it is evaluated by."""

    build: Callable[[int, str], nn.Module]
    tasks: tuple[str, ...]


def _resnet50(model: Callable[..., nn.Module]) -> Callable[[int, str], nn.Module]:
    """One of torchvision's own models; a class is added for what is none of them."""
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
    """What Faster R-CNN and Mask R-CNN have in common."""
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
    # Three sizes an octave, as upstream has them.
    sizes = tuple(tuple(int(size * 2 ** (i / 3)) for i in range(3)) for size in _SIZES)
    anchors = AnchorGenerator(sizes, (_RATIOS,) * len(sizes))
    num_anchors = anchors.num_anchors_per_location()[0]
    return RetinaNet(
        _tiny_backbone(2, LastLevelP6P7(_CHANNELS, _CHANNELS)),
        num_classes + 1,
        anchor_generator=anchors,
        # All levels share the head, and batch norm would mix their statistics.
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


class _Trainer:
    def __init__(self, job: Job, hooks: Sequence[Hook]) -> None:
        assert job.model.torchvision is not None  # checked when the spec was made
        self._job, self._hooks = job, hooks
        self._clip = job.model.torchvision.clip_gradient_norm
        builder = _BUILDERS[job.model.torchvision.builder]
        self._tasks = builder.tasks
        model = builder.build(len(job.dataset.classes), job.spec.weights)
        self.model: nn.Module = model.to(job.device)
        if job.spec.weights not in ("none", "zoo"):
            self.model.load_state_dict(torch.load(job.spec.weights, map_location=job.device))
        self.optimizer: torch.optim.Optimizer = torch.optim.SGD(
            [p for p in self.model.parameters() if p.requires_grad],
            lr=job.schedule.learning_rate,
            momentum=_MOMENTUM,
            weight_decay=_WEIGHT_DECAY,
        )
        self._scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda iteration: learning_rate_factor(job.schedule, iteration)
        )
        amp = job.spec.precision == "amp"
        dtype = torch.float16 if job.device.type == "cuda" else torch.bfloat16
        self._autocast = torch.autocast(job.device.type, dtype=dtype, enabled=amp)
        self._scaler = torch.amp.GradScaler(
            job.device.type, enabled=amp and job.device.type == "cuda"
        )
        self._loader = _training_batches(job)
        self._reports = _Reports(job.output / "metrics.json")

    def train(self) -> None:
        self.model.train()
        try:
            for hook in self._hooks:
                hook.before_train(self)
            for iteration in range(self._job.spec.num_iterations):
                for hook in self._hooks:
                    hook.before_step(iteration)
                started = time.perf_counter()
                step = self._step(iteration)
                elapsed = time.perf_counter() - started
                for hook in self._hooks:
                    hook.after_step(step)
                self._reports.add(step, elapsed, float(self._scheduler.get_last_lr()[0]))
                self._scheduler.step()
            self._reports.write()
        finally:
            for hook in self._hooks:
                hook.after_train()
        if self._job.spec.save_weights:
            torch.save(self.model.state_dict(), self._job.output / "model_final.pth")

    def _step(self, iteration: int) -> Step:
        asked = time.perf_counter()
        samples = next(self._loader)
        data_seconds = time.perf_counter() - asked
        images = [image.to(self._job.device) for image, _ in samples]
        unread = () if "segm" in self._tasks else ("masks",)
        targets = [
            {k: v.to(self._job.device) for k, v in t.items() if k not in unread} for _, t in samples
        ]
        with self._autocast:
            losses = self.model(images, targets)
            loss = sum(losses.values())
        self.optimizer.zero_grad()
        self._scaler.scale(loss).backward()
        if self._clip is not None:
            self._scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._clip)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        value = float(loss)
        if not math.isfinite(value):
            raise FloatingPointError(f"the loss became {value} in iteration {iteration}")
        return Step(iteration, data_seconds, value)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float | None]:
        emit("progress", phase="evaluating", done=0, total=0)
        self.model.eval()
        images = CocoImages(self._job.dataset.val, training=False)
        detections: list[dict[str, Any]] = []
        for index, image_id in enumerate(images.image_ids):
            image, _ = images[index]
            found = self.model([image.to(self._job.device)])[0]
            detections += _as_coco(image_id, found, images.category_ids)
        accuracy = coco_accuracy(images.coco, detections, self._tasks)
        self._reports.add_accuracy(self._job.spec.num_iterations, accuracy)
        return accuracy


def learning_rate_factor(schedule: Schedule, iteration: int) -> float:
    """What the learning rate is multiplied by: linear warm-up, then a tenth after each step."""
    decay = 0.1 ** sum(iteration >= step for step in schedule.steps)
    warmup = min(1.0, (iteration + 1) / max(1, schedule.warmup_iterations))
    return float(decay * warmup)


def _training_batches(job: Job) -> Iterator[list[Sample]]:
    """Batches without end, every image once before any comes again."""
    images = CocoImages(job.dataset.train, training=True)
    generator = torch.Generator().manual_seed(job.spec.seed)
    num_samples = job.spec.num_iterations * job.spec.batch_size
    return iter(
        DataLoader(
            images,
            batch_size=job.spec.batch_size,
            sampler=RandomSampler(images, num_samples=num_samples, generator=generator),
            num_workers=job.spec.num_workers,
            collate_fn=list,
        )
    )


class _Reports:
    """Writes metrics.json as detectron2 does: a line every 20 iterations, medians of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._recent: list[tuple[Step, float]] = []
        self._learning_rate = math.nan

    def add(self, step: Step, elapsed: float, learning_rate: float) -> None:
        self._recent.append((step, elapsed))
        self._learning_rate = learning_rate
        if len(self._recent) == _REPORT_EVERY:
            self.write()

    def write(self) -> None:
        """Write what was not reported yet."""
        if not self._recent:
            return
        self._line(
            iteration=self._recent[-1][0].iteration,
            time=median(elapsed for _, elapsed in self._recent),
            data_time=median(step.data_seconds for step, _ in self._recent),
            total_loss=median(step.loss for step, _ in self._recent),
            lr=self._learning_rate,
        )
        self._recent.clear()

    def add_accuracy(self, iteration: int, accuracy: dict[str, float | None]) -> None:
        """An evaluation; detectron2 counts it to the iteration that would come next."""
        names = {f"{ours} ": f"{theirs}/" for theirs, ours in TASKS.items()}
        values = {
            name.replace(ours, theirs): math.nan if value is None else value
            for name, value in accuracy.items()
            for ours, theirs in names.items()
            if name.startswith(ours)
        }
        self._line(iteration=iteration, **values)

    def _line(self, **values: float) -> None:
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(values) + "\n")


def _as_coco(
    image_id: int, found: dict[str, torch.Tensor], category_ids: list[int]
) -> list[dict[str, Any]]:
    """A model's detections on one image in COCO's results format."""
    boxes = found["boxes"].cpu()
    boxes[:, 2:] -= boxes[:, :2]
    results = [
        {"image_id": image_id, "category_id": category_ids[label - 1], "bbox": box, "score": score}
        for box, label, score in zip(
            boxes.tolist(), found["labels"].tolist(), found["scores"].tolist(), strict=True
        )
    ]
    if "masks" in found:
        masks = (found["masks"][:, 0] > _MASK_THRESHOLD).cpu().numpy().astype(np.uint8)
        for result, mask in zip(results, masks, strict=True):
            result["segmentation"] = run_lengths.encode(np.asfortranarray(mask))
    return results
