"""Memory predictions: which models and batch sizes fit a GPU profile."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from detbench.fitting.asked import Asked, answers, measure_first, profiles_named
from detbench.fitting.footprints import Setting
from detbench.fitting.largest import largest_table
from detbench.launch.base import OnEvent, ignore
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
    """Predict which batch sizes of a family's models fit a GPU's memory. Needs no GPU.

    docs/metrics.md, "Fit", explains the prediction and its error.

    Args:
        family: `maskrcnn`, `faster_rcnn` or `efficientdet`.
        model: a model or group of the family, or several; None for its default model on a GPU.
        batch_size: images per GPU, one or several. Each gets a row with the need by parts in GiB;
            with None, the table has the largest batch sizes that fit.
        gpu_profile: names from the catalogue, such as `A100D-2-20C`, or `auto` for the GPUs of
            this machine.
        image_size: width and height in pixels, before the model resizes the images.
        num_classes: number of classes in the dataset.
        rois_per_image: regions per image that the heads train on; None for the model's default.
        objects: largest number of objects in an image.
        precision: precision of the training.
        processes: number of GPUs that train together; with several, each holds every gradient
            twice.
        measure: whether to measure this exact setting first: two short trainings per model.
        on_event: called with `{"event": "measured", "model": ..., "batch_size": ...}` after each
            such training.

    Raises:
        UsageError: there is no such family, model or profile, or too little was measured of it.
        MissingError: `auto` finds no GPU, or a training lacks a package.
        RunFailedError: a training of `measure` failed.
    """
    loaded, tell = load_family(family), on_event or ignore
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
        for measured in measure_first(loaded, name, setting):
            tell({"event": "measured", "model": name, "batch_size": measured})
    asked = [Asked.of(loaded, name, setting, processes) for name in names]
    sizes = [batch_size] if isinstance(batch_size, int) else list(batch_size or ())
    of = f"{len(names)} models on {len(profiles)} GPU profiles"
    window = f"images of {image_size[0]}x{image_size[1]}, {num_classes} classes, {precision}"
    denominator = "predicted memory at the peak of a training, and the profile's memory, in GiB"
    if not sizes:
        return described(
            largest_table(asked, profiles),
            kind="fit, largest",
            title="Largest batch size per GPU",
            window=window,
            denominator=denominator,
            count=of,
            notes=[
                "Numbers after `perhaps` are borderline: intervals of need and capacity overlap."
            ],
        )
    return described(
        answers(asked, sizes, profiles),
        kind="fit",
        title="Whether batch sizes fit",
        window=window,
        denominator=denominator,
        count=f"{of}, {len(sizes)} batch sizes",
        notes=["yes and no are certain: the intervals of need and capacity do not overlap."],
    )


def _named(names: str | Sequence[str]) -> list[str]:
    given = names.split(",") if isinstance(names, str) else names
    return [name.strip() for name in given]
