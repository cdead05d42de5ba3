"""The memory of a training at any setting and batch size, measured or not.

The parts of a footprint grow with the batch size B, the area A of an image, the number of classes
C and the number R of regions per image, as convolutions, anchors and heads do:

    part = a + b C + B (c + d A + e A C + f R)

If a setting was measured at two or more batch sizes, the line through the two largest is used;
otherwise the coefficients are fitted to all footprints of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from detbench.errors import UsageError
from detbench.fitting.footprints import Footprint, Setting

Parts = dict[str, dict[str, float]]
"""Bytes by phase and category."""

_ROIS = 512  # detectron2's ROI_HEADS.BATCH_SIZE_PER_IMAGE (config/defaults.py)
_NUM_TERMS = 6
_CATEGORIES = (
    "weights",
    "buffers",
    "gradients",
    "optimizer state",
    "inputs",
    "activations",
    "temporaries",
    "others",
)


def parts_at(
    architecture: str, footprints: Sequence[Footprint], setting: Setting, batch_size: int
) -> tuple[Parts, bool]:
    """The parts in bytes at a setting and batch size, and whether this exact setting was measured.

    Raises:
        UsageError: the known footprints of the model do not determine the parts.
    """
    same = [f for f in footprints if _inputs(f.setting) == _inputs(setting)]
    here = sorted(same, key=lambda f: f.batch_size)
    if len(here) > 1:
        return _on_line(here[-2], here[-1], batch_size), True
    return _fitted(architecture, footprints, setting, batch_size), False


@cache
def _inputs(setting: Setting) -> tuple[object, ...]:
    """The setting as the model sees it: images that it resizes to the same size are equal."""
    regions = setting.rois_per_image or _ROIS
    return setting.resized(), setting.num_objects, setting.num_classes, regions, setting.precision


def _on_line(smaller: Footprint, larger: Footprint, batch_size: int) -> Parts:
    share = (batch_size - smaller.batch_size) / (larger.batch_size - smaller.batch_size)
    found: Parts = {}
    for phase in larger.parts:
        low, high = smaller.parts[phase], larger.parts[phase]
        found[phase] = {
            name: low.get(name, 0) + share * (high.get(name, 0) - low.get(name, 0))
            for name in _CATEGORIES
        }
    return found


def _fitted(
    architecture: str, footprints: Sequence[Footprint], setting: Setting, batch_size: int
) -> Parts:
    alike = [
        f
        for f in footprints
        if f.setting.precision == setting.precision and f.setting.num_objects == setting.num_objects
    ]
    terms = np.array([_terms(f.setting, f.batch_size) for f in alike] or [np.zeros(_NUM_TERMS)])
    wanted = _terms(setting, batch_size)
    scale = np.maximum(1.0, terms.max(axis=0))
    if not _is_combination(terms / scale, wanted / scale):
        raise UsageError(
            f"the known footprints of {architecture} do not cover {setting.in_words()}",
            "--measure measures this setting in less than a minute",
        )
    found: Parts = {}
    for phase in alike[0].parts:
        sizes = np.array([[f.parts[phase].get(name, 0) for name in _CATEGORIES] for f in alike])
        factors, *_ = np.linalg.lstsq(terms / scale, sizes.astype(float), rcond=None)
        values = np.maximum(0.0, (wanted / scale) @ factors)
        found[phase] = dict(zip(_CATEGORIES, values.tolist(), strict=True))
    return found


def _is_combination(terms: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether the wanted terms are a linear combination of the measured ones."""
    rank = np.linalg.matrix_rank
    return bool(rank(np.vstack([terms, wanted]), tol=1e-6) == rank(terms, tol=1e-6))


def _terms(setting: Setting, batch_size: int) -> np.ndarray:
    width, height = setting.resized()
    area, classes = width * height, setting.num_classes
    regions = setting.rois_per_image or _ROIS
    per_image = [1, area, area * classes, regions]
    return np.array([1.0, classes, *(batch_size * term for term in per_image)])
