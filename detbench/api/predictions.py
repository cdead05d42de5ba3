"""Predictions of memory: which model and batch size a GPU profile would train."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from detbench.api.files import OnEvent
from detbench.fitting.asked import Asked, answers, measure_first, profiles_named
from detbench.fitting.footprints import Setting
from detbench.fitting.largest import largest_table
from detbench.records.spec import Precision
from detbench.suite import load_family
from detbench.utilization.described import described


def fit(
    family: str,
    *,
    model: str | Sequence[str] | None = None,
    batch_size: int | Sequence[int] | None = None,
    gpu_profile: str | Sequence[str] = "auto",
    image_size: tuple[int, int] = (1333, 800),
    num_classes: int = 80,
    rois_per_image: int | None = None,
    objects: int = 60,
    precision: Precision = "fp32",
    processes: int = 1,
    measure: bool = False,
    on_event: OnEvent | None = None,
) -> pd.DataFrame:
    """Predict which batch sizes of a family's models a GPU's memory allows; needs no GPU.

    docs/metrics.md, "Fit", says what the prediction is made of and how far off it was.

    Args:
        family: `maskrcnn`, `faster_rcnn` or `efficientdet`.
        model: a model or group of it, or several; None for the family's default on a GPU.
        batch_size: images a GPU, or several: a row each, with the need by parts in GiB; None for
            the table of the largest ones that fit.
        gpu_profile: names of the catalogue, such as `A100D-2-20C`, or `auto` for the GPUs here.
        image_size: width and height in pixels, before the model resizes them.
        num_classes: of the dataset.
        rois_per_image: regions that the heads are trained on; None for the model's own.
        objects: the most that an image has.
        precision: of the training.
        processes: GPUs that train together; several hold every gradient twice.
        measure: whether to measure this very setting first: two short trainings a model.
        on_event: called with `{"event": "measured", "model": ..., "batch_size": ...}` after each
            such training.

    Raises:
        UsageError: there is no such family, model or profile.
        MissingError: `auto` where there is no GPU, or a training lacks a package.
    """
    loaded = load_family(family)
    setting = Setting(
        width=image_size[0],
        height=image_size[1],
        num_objects=objects,
        num_classes=num_classes,
        rois_per_image=rois_per_image,
        precision=precision,
    )
    wanted = _named(model or loaded.defaults["cuda"].model)
    names = list(dict.fromkeys(model for name in wanted for model in loaded.group(name)))
    profiles = profiles_named(",".join(_named(gpu_profile)))
    for name in names if measure else ():
        for batch_size in measure_first(loaded, name, setting):
            if on_event is not None:
                on_event({"event": "measured", "model": name, "batch_size": batch_size})
    asked = [Asked.of(loaded, name, setting, processes) for name in names]
    sizes = [batch_size] if isinstance(batch_size, int) else list(batch_size or ())
    of = f"{len(names)} models on {len(profiles)} GPU profiles"
    window = f"images of {image_size[0]}x{image_size[1]}, {num_classes} classes, {precision}"
    denominator = "predicted bytes at the peak of a training, and what the profile has, in GiB"
    if not sizes:
        return described(
            largest_table(asked, profiles),
            kind="fit, largest",
            title="Largest batch size a GPU",
            window=window,
            denominator=denominator,
            count=of,
            notes=[
                "A number behind `perhaps` is borderline by the intervals of need and capacity."
            ],
        )
    return described(
        answers(asked, sizes, profiles),
        kind="fit",
        title="Whether batch sizes fit",
        window=window,
        denominator=denominator,
        count=f"{of}, {len(sizes)} batch sizes",
        notes=["yes and no are certain by the intervals of need and capacity."],
    )


def _named(names: str | Sequence[str]) -> list[str]:
    given = names.split(",") if isinstance(names, str) else names
    return [name.strip() for name in given]
