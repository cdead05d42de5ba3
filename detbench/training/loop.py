"""A plain training loop, for frameworks that bring models but no trainer of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from detbench.records.events import emit
from detbench.records.spec import NAMED_WEIGHTS
from detbench.training import accuracy, checkpoints
from detbench.training.coco_data import CocoImages
from detbench.training.distributed import from_main, gathered
from detbench.training.loop_reports import REPORT_EVERY, Reports
from detbench.training.losses import Losses
from detbench.training.numbers import half_type, lay_out, scales_gradients
from detbench.training.protocol import Hook, Job, Step
from detbench.training.random_weights import settle
from detbench.training.randomness import Order
from detbench.training.schedule import learning_rate_factor

Detections = list[dict[str, Any]]


@dataclass(frozen=True)
class Recipe:
    """The parts that a framework provides to the loop.

    Attributes:
        model: trained by the losses that it returns for a batch.
        losses: the losses of that model (maybe wrapped) on a batch, by name; their sum is trained.
        images: opens the train split; `collate` makes batches of its samples.
        detect: the detections, in COCO's results format, of a model in eval mode on images of the
            val split, given by index.
        tasks: the COCO tasks by which the model is evaluated.
        clip_norm: the largest norm of the gradients; None does not clip them.
        average_decay: the decay of the exponential moving average of the weights, which is then
            evaluated and saved; None for no average.
        runs_ahead: whether the host does not wait for a GPU in every iteration: its losses are
            read when they have arrived. For models that never wait for it themselves.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    losses: Callable[[nn.Module, Any], Mapping[str, torch.Tensor]]
    images: Callable[[], CocoImages]
    collate: Callable[[list[Any]], Any]
    detect: Callable[[nn.Module, CocoImages, Sequence[int]], Iterator[Detections]]
    val_images: CocoImages
    tasks: tuple[str, ...]
    clip_norm: float | None = None
    average_decay: float | None = None
    runs_ahead: bool = False


class LoopTrainer:
    """Trains a recipe, with checkpoints, evaluations and reports like detectron2's."""

    def __init__(self, job: Job, hooks: Sequence[Hook], recipe: Recipe) -> None:
        self._job, self._hooks, self._recipe = job, hooks, recipe
        spec = job.spec
        self.model = recipe.model.to(job.device)
        self.optimizer = recipe.optimizer
        self._scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda iteration: learning_rate_factor(job.schedule, iteration)
        )
        half = half_type(spec.precision, job.device)
        self._autocast = torch.autocast(job.device.type, dtype=half, enabled=half is not None)
        self._scaler = torch.amp.GradScaler(
            job.device.type, enabled=scales_gradients(spec.precision, job.device)
        )
        self._average: AveragedModel | None = None
        if recipe.average_decay is not None:
            self._average = AveragedModel(
                self.model,
                multi_avg_fn=get_ema_multi_avg_fn(recipe.average_decay),
                use_buffers=True,
            )
        self._start = self._restore()
        if spec.weights == "random":
            settle(self.model)
        lay_out(self.model, spec)
        self._trained: nn.Module = self.model
        if job.world.size > 1:
            ids = [job.world.local_rank] if job.device.type == "cuda" else None
            self._trained = DistributedDataParallel(self.model, device_ids=ids)
        self._reports = Reports(job, self._start) if job.world.is_main else None
        self._losses = Losses()
        self._unreported: list[tuple[Step, float, float]] = []

    def _restore(self) -> int:
        """Load the folder's newest checkpoint; returns the iteration to begin with."""
        found = checkpoints.load_newest(self._job.output, self._job.device)
        if found is None:
            if self._job.spec.weights not in NAMED_WEIGHTS:
                path = Path(self._job.spec.weights)
                checkpoints.load_weights(self._best, path, self._job.device)
                self.model.load_state_dict(self._best.state_dict())
            return 0
        for name, part in self._parts().items():
            part.load_state_dict(found[name])
        return int(found["iteration"]) + 1

    def _parts(self) -> dict[str, Any]:
        """The contents of a checkpoint, by name."""
        parts = {
            "trained": self.model,
            "optimizer": self.optimizer,
            "scheduler": self._scheduler,
            "scaler": self._scaler,
        }
        return parts if self._average is None else {**parts, "average": self._average}

    @property
    def _best(self) -> nn.Module:
        """The model that is evaluated and saved."""
        return self.model if self._average is None else self._average.module

    def _batches(self) -> Iterator[Any]:
        """Endless batches: this process's share of each."""
        spec, world = self._job.spec, self._job.world
        images = self._recipe.images()
        order = Order(
            len(images),
            spec.seed,
            start=self._start * spec.batch_size,
            rank=world.rank,
            size=world.size,
        )
        return iter(
            DataLoader(
                images,
                batch_size=spec.batch_size // world.size,
                sampler=order,
                num_workers=spec.num_workers,
                collate_fn=self._recipe.collate,
                pin_memory=self._recipe.runs_ahead and self._job.device.type == "cuda",
            )
        )

    def train(self) -> None:
        spec, evaluations = self._job.spec, self._job.evaluations
        self._loader = self._batches()
        try:
            for hook in self._hooks:
                hook.before_train(self)
            for iteration in range(self._start, spec.num_iterations):
                self._iterate(iteration)
                if self._is_due(spec.evaluate_every, iteration):
                    self._evaluate(iteration + 1)
                    if evaluations.reached:
                        break
                if (iteration + 1) % REPORT_EVERY == 0:  # after the evaluation, as in detectron2
                    self._report()
                # Last, so that whoever goes on from here has lost no evaluation and no report.
                if self._is_due(spec.checkpoint_every, iteration) and self._job.world.is_main:
                    self._save(iteration)
            self._report()
        finally:
            for hook in self._hooks:
                hook.after_train()
        if spec.save_weights and self._job.world.is_main:
            weights = {"model": self._best.state_dict()}
            checkpoints.write(self._job.output / checkpoints.FINAL, weights)
        if spec.evaluate and not evaluations.reached:
            self._evaluate(spec.num_iterations)

    def _is_due(self, every: int | None, iteration: int) -> bool:
        """Whether something periodic is due after this iteration, which is not the last one."""
        done = iteration + 1
        return every is not None and done % every == 0 and done < self._job.spec.num_iterations

    def _iterate(self, iteration: int) -> None:
        self._trained.train()
        for hook in self._hooks:
            hook.before_step(iteration)
        started = time.perf_counter()
        data_seconds = self._step(iteration)
        self._losses.read(wait=not self._recipe.runs_ahead)
        elapsed = time.perf_counter() - started
        step = Step(iteration, data_seconds, self._losses.newest)
        for hook in reversed(self._hooks):
            hook.after_step(step)
        rate = float(self._scheduler.get_last_lr()[0])
        self._unreported.append((step, elapsed, rate))
        self._scheduler.step()

    def _report(self) -> None:
        """Write a report of the iterations since the last one."""
        self._losses.read(wait=True)
        for step, elapsed, rate in self._unreported:
            losses = self._losses.of.pop(step.iteration)
            if self._reports:
                own = replace(step, loss=sum(losses.values()))
                self._reports.add(own, losses, elapsed, rate)
        self._unreported.clear()
        if self._reports:
            self._reports.write()

    def _step(self, iteration: int) -> float:
        """Do the work of an iteration; returns the seconds that it waited for its data."""
        asked = time.perf_counter()
        batch = next(self._loader)
        data_seconds = time.perf_counter() - asked
        with self._autocast:
            losses = self._recipe.losses(self._trained, batch)
            loss = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad()
        self._scaler.scale(loss).backward()
        if self._recipe.clip_norm is not None:
            self._scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self._recipe.clip_norm)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        if self._average is not None:
            self._average.update_parameters(self.model)
        self._losses.put(iteration, losses)
        return data_seconds

    def _save(self, iteration: int) -> None:
        state = {name: part.state_dict() for name, part in self._parts().items()}
        # `--weights` and `detbench eval` read `model`, as in model_final.pth.
        state |= {"iteration": iteration, "model": self._best.state_dict()}
        checkpoints.save(self._job.output, iteration, state)

    @torch.no_grad()
    def _evaluate(self, iterations: int) -> None:
        with self._job.evaluations.timed(iterations) as found:
            emit("progress", phase="evaluating", done=0, total=0)
            model, images = self._best, self._recipe.val_images
            if self._reports:
                self._reports.begin_inference(len(images))
            model.eval()
            mine = range(self._job.world.rank, len(images), self._job.world.size)
            own: Detections = []
            for done, detections in enumerate(self._recipe.detect(model, images, mine), 1):
                own += detections
                emit("progress", phase="evaluating", done=done, total=len(mine))
            if self._reports:
                self._reports.end_inference(len(mine))
            everything = gathered(own, self._job.world)
            if self._job.world.is_main:
                accuracy.write_detections(self._job.output, everything)
                found |= accuracy.measure(
                    self._job.dataset, everything, self._recipe.tasks, self._job.output
                )
            found |= from_main(found, self._job.world)
        if self._reports:
            self._reports.add_accuracy(iterations, found)

    def evaluate(self) -> None:
        self._evaluate(self._start)


def in_batches(indices: Sequence[int], size: int) -> Iterator[list[int]]:
    """The indices, `size` at a time."""
    each = iter(indices)
    while batch := list(islice(each, size)):
        yield batch
