"""The nouns of the training process: a job, the trainer that a framework builds, and hooks.

A framework is one module in `detbench.training.frameworks` that offers `build(job, hooks)` and
`versions()`. What a mode does inside the loop is a `Hook`, the same in every framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from detbench.datasets.coco import CocoDataset
from detbench.records.spec import RunSpec
from detbench.suite import Model, Schedule, load_family
from detbench.training.distributed import World
from detbench.training.evaluations import Evaluations


@dataclass(frozen=True)
class Job:
    """A run as the training process sees it: names resolved, schedule scaled."""

    spec: RunSpec
    model: Model
    schedule: Schedule
    dataset: CocoDataset
    output: Path
    world: World
    evaluations: Evaluations

    @classmethod
    def of(
        cls,
        spec: RunSpec,
        dataset: CocoDataset,
        output: Path,
        world: World,
        evaluations: Evaluations,
    ) -> Job:
        """The job of a spec, at the spec's learning rate or its schedule's."""
        model = load_family(spec.family).model(spec.model)
        schedule = model.schedule.scaled(spec.batch_size)
        if spec.learning_rate is not None:
            schedule = schedule.model_copy(update={"learning_rate": spec.learning_rate})
        return cls(spec, model, schedule, dataset, output, world, evaluations)

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        if self.spec.device == "cuda":
            return torch.device("cuda", self.world.local_rank)
        return torch.device(self.spec.device)


@dataclass(frozen=True)
class Step:
    """An iteration that has just ended."""

    iteration: int
    data_seconds: float  # waiting for the data loader
    loss: float  # the newest that has arrived from the device


class Trainer(Protocol):
    """A training loop that calls hooks, and its evaluation; built by a framework."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer

    def train(self) -> None:
        """Run the job's iterations that follow its folder's newest checkpoint.

        It calls the hooks, and evaluates as the spec says.
        """

    def evaluate(self) -> None:
        """Evaluate the weights as they are, without training."""


class Hook:
    """Something done around iterations; the base does nothing.

    The calls come in this order: `before_train` once, `before_step` and `after_step` for every
    iteration, and `after_train` once, even if the training ends with an exception. Hooks nest:
    `after_step` is called in the reverse order, so that the last hook is the innermost one.
    """

    def before_train(self, trainer: Trainer) -> None:
        """Model and optimizer exist; no iteration has run."""

    def before_step(self, iteration: int) -> None:
        """The training is about to wait for this iteration's data."""

    def after_step(self, step: Step) -> None:
        """The optimizer has stepped; nothing else has happened since."""

    def after_train(self) -> None:
        """The last iteration has ended."""

    def finish(self) -> dict[str, int]:
        """Write the measurement after a successful training; returns bytes for the record."""
        return {}


class Framework(Protocol):
    """A module of `detbench.training.frameworks`."""

    def build(self, job: Job, hooks: Sequence[Hook]) -> Trainer:
        """The model, optimizer, data and loop for `job`."""

    def versions(self) -> dict[str, str]:
        """The framework's version and installed build."""
