"""Footprints: the memory of a training's tensors, at one setting and batch size."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from detbench.datasets.cache import cache_folder
from detbench.errors import BadFileError
from detbench.records.spec import HALF, Precision

_SHIPPED = Path(__file__).with_suffix(".json")
_SCHEDULE = re.compile(r"_[139]x$")  # a schedule's length changes no tensor


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Setting(_Document):
    """What a training's memory depends on, besides its model and batch size.

    Attributes:
        width, height: size of the images in pixels, before the model resizes them.
        num_objects: largest number of objects in an image; each is matched with every anchor.
        rois_per_image: regions per image that the heads train on; None for the model's default,
            or for a model without such heads.
        precision: by the size of its numbers: `amp` for bf16 too, `fp32` for tf32 too.
    """

    width: int = 1333
    height: int = 800
    num_objects: int = 60
    num_classes: int = 80
    rois_per_image: int | None = None
    precision: Precision = "fp32"

    @field_validator("precision")
    @classmethod
    def _by_size(cls, precision: Precision) -> Precision:
        """TF32 is a way to multiply, stored as fp32; bf16 takes the bytes of fp16."""
        return "amp" if precision in HALF else "fp32"

    def resized(self, shortest: int = 800, longest: int = 1333) -> tuple[int, int]:
        """The largest width and height after detectron2's default resizing (config/defaults.py)."""
        scale = shortest / min(self.width, self.height)
        scale = min(scale, longest / max(self.width, self.height))
        return round(self.width * scale), round(self.height * scale)

    def in_words(self) -> str:
        """The setting in words, for messages."""
        regions = f", {self.rois_per_image} regions per image" if self.rois_per_image else ""
        return (
            f"{self.width}x{self.height} pixels, {self.num_objects} objects and"
            f" {self.num_classes} classes, {self.precision}{regions}"
        )


class Footprint(_Document):
    """The memory that one training held.

    Attributes:
        parts: bytes by phase (forward, backward, optimizer) and category, at the phase's peak.
        versions: versions of the software that it was measured with.
    """

    framework: str
    architecture: str
    setting: Setting
    batch_size: int
    parts: dict[str, dict[str, int]]
    versions: dict[str, str]


def architecture(model: str) -> str:
    """The model's name without its schedule: `mask_rcnn_R_50_FPN_1x` and `_3x` are the same."""
    return _SCHEDULE.sub("", model)


def known(framework: str, model: str) -> list[Footprint]:
    """The footprints of a model: those that the package ships and those measured here.

    Raises:
        BadFileError: a footprints file is damaged.
    """
    name = architecture(model)
    return [f for f in _all() if f.framework == framework and f.architecture == name]


def keep(footprints: Iterable[Footprint]) -> Path:
    """Store footprints for this user's later predictions, and return their file."""
    file = _own()
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = {_key(f): f for f in [*read(file), *footprints]}
    part = file.with_name(f".{os.getpid()}-{file.name}")
    part.write_text(as_text(fresh.values()), encoding="utf-8")
    part.replace(file)
    _all.cache_clear()
    return file


def as_text(footprints: Iterable[Footprint]) -> str:
    """The content of a footprints file, one footprint per line."""
    lines = (json.dumps(f.model_dump(), separators=(",", ":")) for f in footprints)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def read(file: Path) -> list[Footprint]:
    """The footprints in a file; none if it does not exist.

    Raises:
        BadFileError: the file is damaged.
    """
    if not file.is_file():
        return []
    try:
        return [Footprint.model_validate(f) for f in json.loads(file.read_bytes())]
    except (ValueError, ValidationError, TypeError) as error:
        said = str(error).splitlines()[0]
        raise BadFileError(
            file, f"not a footprints file: {said}", "remove it, and measure again"
        ) from error


@cache
def _all() -> list[Footprint]:
    """All footprints; one measured here replaces the shipped one."""
    return list({_key(f): f for f in [*read(_SHIPPED), *read(_own())]}.values())


def _key(footprint: Footprint) -> tuple[str, str, Setting, int]:
    return footprint.framework, footprint.architecture, footprint.setting, footprint.batch_size


def _own() -> Path:
    return cache_folder() / "footprints.json"
