"""What a run is asked to do and what it left: the typed documents that every door passes on.

`RunSpec` travels into the training process as JSON, `Outcome` comes back out of it, and the two
make the `RunRecord` that is stored as `run.json`.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1
OUTCOME = "outcome.json"  # the training process leaves it in the run's folder

Status = Literal["ok", "oom", "host_oom", "timeout", "failed", "interrupted"]
Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "amp"]


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


class RunSpec(_Document):
    """One run: one model, batch size and mode on one GPU profile."""

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
    evaluate: bool = False
    save_weights: bool = False
    num_workers: int = Field(default=0, ge=0)
    seed: int = 0

    @model_validator(mode="after")
    def _window_inside(self) -> RunSpec:
        if self.window.stop > self.num_iterations:
            raise ValueError(
                f"window {self.window} ends past the last iteration, {self.num_iterations}"
            )
        return self

    def digest(self) -> str:
        """A hash that is equal for equal specs; decides what `--resume` skips."""
        text = json.dumps(self.model_dump(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class Throughput(_Document):
    """Images per second over the window, as a ratio of sums; see docs/metrics.md."""

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


class Failure(_Document):
    """Why a training process stopped: the exception it ended with."""

    type: str
    message: str
    exit_code: int | None = None
    hint: str = ""


class Outcome(_Document):
    """What the training process says of itself when it ends."""

    throughput: Throughput | None = None
    accuracy: dict[str, float | None] | None = None
    memory: dict[str, int] | None = None
    environment: dict[str, Any] = Field(default_factory=dict)
    failure: Failure | None = None


class Measurement(_Document):
    """A file that a run left, relative to its `run.json`."""

    path: str
    bytes: int
    sha256: str


class RunRecord(_Document):
    """`run.json`: the spec, how it went, what was measured and in which environment."""

    schema_version: int = SCHEMA_VERSION
    spec: RunSpec
    spec_sha256: str
    status: Status
    cause: str = ""
    command: tuple[str, ...]
    exit_code: int | None
    started: datetime
    ended: datetime
    throughput: Throughput | None = None
    accuracy: dict[str, float | None] | None = None
    memory: dict[str, int] | None = None
    environment: dict[str, Any] = Field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
