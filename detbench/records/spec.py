"""Typed documents: what a run is asked to do, and what it left. Every launcher passes them on.

`RunSpec` enters the training process as JSON, `Outcome` comes back from it, and both go into the
`RunRecord` that is stored as `run.json`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from statistics import mean
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1

Status = Literal["ok", "oom", "host_oom", "timeout", "failed", "interrupted"]
Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "tf32", "amp", "bf16"]
"""fp32 without TF32 anywhere; tf32 in convolutions and matmuls; amp is fp16 autocast with scaled
gradients, bf16 is bf16 autocast. What autocast leaves in fp32 may use TF32 in both."""

NAMED_WEIGHTS = ("none", "zoo", "random")
"""Initial weights that are no file: from scratch, upstream's, and some that stay finite."""

HALF: tuple[Precision, ...] = ("amp", "bf16")
"""The precisions in which most tensors take two bytes a number."""


def outcome_name(rank: int | str) -> str:
    """The file in a run's folder that holds a training process's outcome; rank `*` matches all."""
    return f"outcome-{rank}.json"


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Window(_Document):
    """The iterations measured or profiled: `[start, start + count)`, counted from 0."""

    start: int = Field(ge=0)
    count: int = Field(ge=1)

    @property
    def stop(self) -> int:
        """The first iteration after the window."""
        return self.start + self.count

    def __contains__(self, iteration: int) -> bool:
        return self.start <= iteration < self.stop

    def __str__(self) -> str:
        return f"[{self.start}, {self.stop})"


class Nodes(_Document):
    """The machines of a training, as torchrun needs them; one by default.

    Attributes:
        rank: this machine's number.
        rendezvous: `HOST:PORT` of machine 0, where the processes meet.
    """

    count: int = Field(default=1, ge=1)
    rank: int = Field(default=0, ge=0)
    rendezvous: str = ""


class RunSpec(_Document):
    """One run: one model, batch size and mode on one GPU profile.

    Attributes:
        batch_size: images per iteration, over all processes.
        train: whether to train; otherwise the weights are evaluated as they are.
        evaluate, evaluate_every: whether to evaluate at the end, and the iterations between
            evaluations before it.
        checkpoint_every: iterations between two checkpoints; None saves none.
        target: metrics (`box AP`) and percentages; the first evaluation that meets all of them ends
            the training.
        weights: `none` (from scratch), `zoo`, `random` (for speed and memory only: an untrained
            network that stays finite), or a file.
        channels_last: whether images and weights are laid out with the channels last.
        compile: whether the backbone goes through torch.compile.
        overrides: keys changed in detectron2's config, on top of the model's own.
        probe: whether only memory is measured, with the largest images that the model's scaling
            makes, and with zeros in place of computed feature maps.
        num_processes: processes on this machine, one GPU each.
        kernels, launch_count: of mode nsight: a regular expression for the names of the kernels
            that are measured, and the most launches; all by default.
        roofline: of mode nsight: whether operations and memory traffic are counted as well.
    """

    schema_version: int = SCHEMA_VERSION
    family: str
    framework: str
    model: str
    mode: str
    batch_size: int = Field(ge=1)
    window: Window
    num_iterations: int = Field(ge=1)
    device: Device
    gpu_profile: str
    precision: Precision = "fp32"
    dataset: str
    weights: str
    learning_rate: float | None = Field(default=None, gt=0)
    train: bool = True
    evaluate: bool = False
    evaluate_every: int | None = Field(default=None, ge=1)
    save_weights: bool = False
    checkpoint_every: int | None = Field(default=None, ge=1)
    target: dict[str, float] = Field(default_factory=dict)
    num_workers: int = Field(default=0, ge=0)
    num_processes: int = Field(default=1, ge=1)
    nodes: Nodes = Nodes()
    seed: int = 0
    deterministic: bool = False
    channels_last: bool = False
    compile: bool = False
    overrides: dict[str, Any] = Field(default_factory=dict)
    probe: bool = False
    kernels: str = ""
    launch_count: int | None = Field(default=None, ge=1)
    roofline: bool = False

    @model_validator(mode="after")
    def _window_inside(self) -> RunSpec:
        if self.window.stop > self.num_iterations:
            raise ValueError(
                f"window {self.window} ends past the last iteration, {self.num_iterations}"
            )
        return self

    @model_validator(mode="after")
    def _batch_divides(self) -> RunSpec:
        if self.batch_size % self.world_size:
            raise ValueError(
                f"batch size {self.batch_size} cannot be shared equally among"
                f" {self.world_size} processes"
            )
        return self

    @model_validator(mode="after")
    def _memory_only(self) -> RunSpec:
        if self.probe and (self.mode != "memory" or self.evaluate or self.save_weights):
            raise ValueError("a probe measures nothing but memory")
        return self

    @property
    def world_size(self) -> int:
        """The number of processes on all machines."""
        return self.num_processes * self.nodes.count

    def digest(self) -> str:
        """A hash that is equal for equal specs; decides what `--resume` skips."""
        text = json.dumps(self.model_dump(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class Throughput(_Document):
    """Images per second over the window, as a ratio of sums; see docs/metrics.md.

    Attributes:
        began, ended: the window's two edges, in seconds since the epoch; None in older records, and
            if the training continued or ended inside the window.
        energy_joules: of all GPUs of the training, from one edge to the other; None if not told.
        energy_source: what the energy is from, or why it is None.
        flops: of convolutions and matrix products, an image, by the type of their numbers.
        flops_source: how they were counted, or why they were not.
    """

    images_per_second: float
    images: int
    seconds: float
    num_iterations: int
    first_iteration: int
    batch_size: int
    iteration_seconds_median: float
    iteration_seconds_p10: float
    iteration_seconds_p90: float
    data_wait_share: float
    began: float | None = None
    ended: float | None = None
    energy_joules: float | None = None
    energy_source: str = ""
    flops: dict[str, float] = Field(default_factory=dict)
    flops_source: str = ""

    @property
    def joules_per_image(self) -> float | None:
        """The energy of the window over its images; None if the energy is not told."""
        return None if self.energy_joules is None else self.energy_joules / self.images


def mean_energy(repeats: Iterable[Throughput]) -> float | None:
    """The mean J/image of repeats; None if that of any is not told."""
    told = [speed.joules_per_image for speed in repeats]
    return None if None in told else mean(each for each in told if each is not None)


class Evaluation(_Document):
    """One evaluation of a training.

    Attributes:
        iterations: the number done before it.
        seconds: from the clock's start to this evaluation's end.
        evaluation_seconds: the duration of the evaluation itself.
        accuracy: in percent, by metric; None where it is undefined.
    """

    iterations: int
    seconds: float
    evaluation_seconds: float
    accuracy: dict[str, float | None]


class TimeToTrain(_Document):
    """Wall time from before the first touch of the dataset to the evaluation that met the target.

    Attributes:
        seconds: includes evaluations; None if the target was not reached.
        evaluation_seconds, num_evaluations: over all evaluations.
        iterations, images, epochs: trained up to the last evaluation.
    """

    target: dict[str, float]
    reached: bool
    seconds: float | None
    evaluation_seconds: float
    num_evaluations: int
    iterations: int
    images: int
    epochs: float


class Failure(_Document):
    """Why a training process stopped: the exception it ended with.

    Attributes:
        at: its time, in seconds since the epoch; the earliest failure of several is the cause.
        rank: the process that failed.
        free_share: of the GPU's memory, at that time; None on a CPU.
    """

    type: str
    message: str
    exit_code: int | None = None
    hint: str = ""
    at: float = 0.0
    rank: int = 0
    free_share: float | None = None


class Outcome(_Document):
    """The training process's report when it ends."""

    throughput: Throughput | None = None
    accuracy: dict[str, float | None] | None = None
    evaluations: tuple[Evaluation, ...] = ()
    time_to_train: TimeToTrain | None = None
    memory: dict[str, int] | None = None
    environment: dict[str, Any] = Field(default_factory=dict)
    failure: Failure | None = None


class Measurement(_Document):
    """A file that a run left, relative to its `run.json`."""

    path: str
    bytes: int
    sha256: str


class RunRecord(_Document):
    """`run.json`: the spec, the status, the measurements and the environment of a run.

    Attributes:
        notes: what the figures of a run that ended well have to be read with.
    """

    schema_version: int = SCHEMA_VERSION
    spec: RunSpec
    spec_sha256: str
    status: Status
    cause: str = ""
    notes: tuple[str, ...] = ()
    command: tuple[str, ...]
    exit_code: int | None
    started: datetime
    ended: datetime
    throughput: Throughput | None = None
    accuracy: dict[str, float | None] | None = None
    evaluations: tuple[Evaluation, ...] = ()
    time_to_train: TimeToTrain | None = None
    memory: dict[str, int] | None = None
    environment: dict[str, Any] = Field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
