"""Families and models, read from `benchmarks/*/benchmark.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from detbench.checkout import checkout
from detbench.errors import BadFileError, UsageError
from detbench.records.spec import Device, Window


class Package(NamedTuple):
    """An installable framework: the names of its distributions, and the install command."""

    distributions: tuple[str, ...]
    install: str


FRAMEWORKS = {
    "detectron2": Package(
        ("detectron2", "sal-detectron2"),
        "bash scripts/install_detectron2.sh --source pypi (or git: compiled, every operator)",
    ),
    "torchvision": Package(("torchvision",), "pip install torchvision"),
    "effdet": Package(("effdet",), "pip install effdet, or bash scripts/make_venv.sh train"),
}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Schedule(_Section):
    """A training schedule, stated for its own batch size.

    Attributes:
        evaluate_every: iterations between two evaluations; None evaluates at the end only.
        decay: to a tenth at each of `steps`, or by a half cosine to 0 at the end.
    """

    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    num_iterations: int = Field(ge=1)
    evaluate_every: int | None = Field(default=None, ge=1)
    decay: Literal["steps", "cosine"] = "steps"
    steps: tuple[int, ...] = ()
    warmup_iterations: int = Field(ge=0)

    def scaled(self, batch_size: int) -> Schedule:
        """The schedule for the same number of epochs at another batch size: linear scaling rule.

        For k times the batch size the learning rate is multiplied by k, and iterations, steps and
        warm-up are divided by k (Goyal et al., 2017, "Accurate, Large Minibatch SGD").
        """
        k = batch_size / self.batch_size
        scaled = {
            "batch_size": batch_size,
            "learning_rate": self.learning_rate * k,
            "num_iterations": max(1, round(self.num_iterations / k)),
            "steps": tuple(max(1, round(step / k)) for step in self.steps),
            "warmup_iterations": round(self.warmup_iterations / k),
            "evaluate_every": self.evaluate_every and max(1, round(self.evaluate_every / k)),
        }
        return self.model_copy(update=scaled)


class Detectron2Model(_Section):
    """A config of detectron2's model zoo, and the keys changed in it.

    Attributes:
        panoptic: whether the model is trained on panoptic annotations.
    """

    config: str
    panoptic: bool = False
    overrides: dict[str, Any] = Field(default_factory=dict)


class TorchvisionModel(_Section):
    """A builder of `detbench.training.frameworks.torchvision`."""

    builder: str
    clip_gradient_norm: float | None = None


class EffdetModel(_Section):
    """A config of effdet, the keys changed in it, and its training recipe.

    The defaults are as published (Tan et al., 2020, "EfficientDet", section 5.1; the norm and the
    scale by the authors' hparams_config.py).

    Attributes:
        clip_gradient_norm: the largest norm of all gradients together.
        average_decay: of the moving average of the weights, which is evaluated and saved.
        random_scale: the range from which an image's size is drawn in training, as a share of the
            model's own size.
    """

    config: str
    overrides: dict[str, Any] = Field(default_factory=dict)
    weight_decay: float = 4e-5
    clip_gradient_norm: float | None = 10.0
    average_decay: float | None = 0.9998
    random_scale: tuple[float, float] = (0.1, 2.0)


class Model(_Section):
    """A config name, and what each of its frameworks needs to build it."""

    schedule: Schedule
    detectron2: Detectron2Model | None = None
    torchvision: TorchvisionModel | None = None
    effdet: EffdetModel | None = None

    @property
    def panoptic(self) -> bool:
        """Whether the model is trained on panoptic annotations."""
        return self.detectron2 is not None and self.detectron2.panoptic

    def frameworks(self) -> list[str]:
        """The frameworks that can build this model."""
        return [name for name in FRAMEWORKS if getattr(self, name)]


class Defaults(_Section):
    """The defaults of a run on a device."""

    model: str
    dataset: str
    weights: str
    batch_sizes: tuple[int, ...]
    num_workers: int = Field(ge=0)
    windows: dict[str, Window]


class Family(_Section):
    """A family of detectors: one `benchmark.yaml`."""

    schema_version: int
    family: str
    title: str
    frameworks: tuple[str, ...]
    defaults: dict[Device, Defaults]
    schedules: dict[str, Schedule]
    models: dict[str, Model]
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    def model(self, name: str) -> Model:
        """The model of this name.

        Raises:
            UsageError: there is no such model; the error names the models.
        """
        if name not in self.models:
            raise UsageError(
                f"{self.family} has no model '{name}'", f"known: {', '.join(self.models)}"
            )
        return self.models[name]

    def group(self, name: str) -> tuple[str, ...]:
        """The models of the group of this name, or the single model of this name.

        Raises:
            UsageError: there is none; the error names the groups and models.
        """
        if name in self.groups:
            return self.groups[name]
        if name not in self.models:
            raise UsageError(
                f"{self.family} has no model '{name}'",
                f"known: {', '.join((*self.groups, *self.models))}",
            )
        return (name,)


def _families_folder() -> Path:
    root = checkout()
    return root / "benchmarks" if root else Path(__file__).resolve().parent / "families"


def family_names() -> list[str]:
    """The names of the families that this installation has."""
    return sorted(file.parent.name for file in _families_folder().glob("*/benchmark.yaml"))


@cache
def load_family(name: str) -> Family:
    """Read a family's `benchmark.yaml`.

    Raises:
        UsageError: there is no such family; the error names the families.
        BadFileError: its file does not parse, or a key in it is wrong.
    """
    if name not in family_names():
        raise UsageError(f"no family '{name}'", f"known: {', '.join(family_names())}")
    path = _families_folder() / name / "benchmark.yaml"
    try:
        return Family.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise BadFileError(
            path, f"not YAML: {error.problem}", "correct that line", place=f"line {line}"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadFileError(
            path, first["msg"], "compare it with benchmarks/maskrcnn/benchmark.yaml", place=place
        ) from error
