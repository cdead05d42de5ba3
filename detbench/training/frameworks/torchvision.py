"""torchvision: its detection models, in a plain training loop of ours."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from pycocotools import mask as run_lengths
from torch import nn
from torch.utils.data import DataLoader, RandomSampler
from torchvision.models import resnet18
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor

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


def _resnet50(num_classes: int, weights: str) -> nn.Module:
    backbone = "DEFAULT" if weights == "zoo" else None
    return maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=backbone, num_classes=num_classes + 1
    )


def _resnet18_tiny(num_classes: int, weights: str) -> nn.Module:
    """The torchvision twin of detectron2's `mask_rcnn_R_18_FPN_tiny`."""
    channels = 64
    backbone = BackboneWithFPN(
        resnet18(weights=None),
        return_layers={f"layer{i}": str(i - 1) for i in range(1, 5)},
        in_channels_list=[64, 128, 256, 512],
        out_channels=channels,
    )
    sizes = tuple((size,) for size in (12, 24, 48, 96, 192))
    return MaskRCNN(
        backbone,
        min_size=128,
        max_size=256,
        rpn_anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes)),
        rpn_pre_nms_top_n_train=300,
        rpn_post_nms_top_n_train=200,
        rpn_pre_nms_top_n_test=300,
        rpn_post_nms_top_n_test=100,
        box_head=TwoMLPHead(channels * 7 * 7, 256),
        box_predictor=FastRCNNPredictor(256, num_classes + 1),
        box_batch_size_per_image=64,
        mask_head=MaskRCNNHeads(channels, (channels,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(channels, channels, num_classes + 1),
    )


_BUILDERS: dict[str, Callable[[int, str], nn.Module]] = {
    "maskrcnn_resnet50_fpn": _resnet50,
    "maskrcnn_resnet18_fpn_tiny": _resnet18_tiny,
}


class _Trainer:
    def __init__(self, job: Job, hooks: Sequence[Hook]) -> None:
        assert job.model.torchvision is not None  # checked when the spec was made
        self._job, self._hooks = job, hooks
        self._clip = job.model.torchvision.clip_gradient_norm
        builder = _BUILDERS[job.model.torchvision.builder]
        self.model: nn.Module = builder(len(job.dataset.classes), job.spec.weights).to(job.device)
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
        targets = [{k: v.to(self._job.device) for k, v in t.items()} for _, t in samples]
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
        accuracy = coco_accuracy(images.coco, detections, tuple(TASKS))
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
    masks = (found["masks"][:, 0] > _MASK_THRESHOLD).cpu().numpy().astype(np.uint8)
    return [
        {
            "image_id": image_id,
            "category_id": category_ids[label - 1],
            "bbox": box,
            "score": score,
            "segmentation": run_lengths.encode(np.asfortranarray(mask)),
        }
        for box, label, score, mask in zip(
            boxes.tolist(), found["labels"].tolist(), found["scores"].tolist(), masks, strict=True
        )
    ]
