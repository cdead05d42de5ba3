"""`fit`: which models and batch sizes fit a GPU profile, predicted without the GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from detbench.cli.completion import of_gpu_profiles, of_models
from detbench.cli.options import PRECISIONS, family_argument, format_option, print_table
from detbench.cli.run_options import whole_numbers

if TYPE_CHECKING:
    import pandas as pd

    from detbench.records.spec import Precision


def _size(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int]:
    width, _, height = value.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise click.BadParameter(f"'{value}' is not WIDTHxHEIGHT, such as 1024x1024")
    return int(width), int(height)


@click.command()
@family_argument()
@click.option(
    "--models",
    shell_complete=of_models,
    help="Models or groups, comma-separated.  [default: the family's default on a GPU]",
)
@click.option(
    "--batch-sizes",
    metavar="N,N,...",
    callback=whole_numbers,
    help="Images per GPU.  [default: find the largest that fits]",
)
@click.option(
    "--gpu-profile",
    "profiles",
    shell_complete=of_gpu_profiles,
    default="auto",
    show_default=True,
    help="auto for this machine's GPUs, or comma-separated names from `detbench gpus --catalogue`.",
)
@click.option(
    "--image-size",
    metavar="WxH",
    default="1333x800",
    show_default=True,
    callback=_size,
    help="Size of the images in pixels, before the model resizes them.",
)
@click.option("--num-classes", type=click.IntRange(1), default=80, show_default=True)
@click.option(
    "--rois-per-image",
    type=click.IntRange(1),
    help="detectron2's MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE.  [default: the model's own]",
)
@click.option(
    "--objects",
    type=click.IntRange(1),
    default=60,
    show_default=True,
    help="Largest number of objects in an image.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="fp32",
    show_default=True,
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="GPUs that train together; with several, each holds every gradient twice.",
)
@click.option("--parts", is_flag=True, help="Show the parts of each prediction.")
@click.option(
    "--measure",
    "measures",
    is_flag=True,
    help="Measure this exact setting on the CPU first: two short trainings per model.",
)
@format_option()
def fit(
    family: str,
    models: str | None,
    batch_sizes: tuple[int, ...],
    profiles: str,
    image_size: tuple[int, int],
    num_classes: int,
    rois_per_image: int | None,
    objects: int,
    precision: Precision,
    processes: int,
    parts: bool,
    measures: bool,
    style: str,
) -> None:
    """Predict which batch sizes of a FAMILY's models fit a GPU's memory. Needs no GPU.

    yes and no are certain: the intervals of need and capacity do not overlap. If they do, the
    answer is borderline. The memory of a training's tensors was measured on a CPU; what a GPU
    adds comes from published figures (docs/metrics.md, "Fit").

    \b
    Examples:
      detbench fit faster_rcnn --gpu-profile A100D-1-10C,A100D-2-20C
      detbench fit faster_rcnn --models faster_rcnn_R_50_FPN_1x --batch-sizes 8,16,32 \\
        --gpu-profile A100D-2-20C --image-size 1024x1024 --num-classes 1 --rois-per-image 32
    """
    from detbench.api.predictions import fit as predict

    table = predict(
        family,
        model=models,
        batch_size=batch_sizes,
        gpu_profile=profiles,
        image_size=image_size,
        num_classes=num_classes,
        rois_per_image=rois_per_image,
        objects=objects,
        precision=precision,
        processes=processes,
        measure=measures,
        on_event=_say_measured,
    )
    if not batch_sizes or style in ("csv", "json"):
        print_table(table, style)
        return
    for profile, own in table.groupby("GPU profile", sort=False):
        low, high = own["capacity, low (GiB)"].iloc[0], own["capacity, high (GiB)"].iloc[0]
        title = f"{profile}: {low:.2f} to {high:.2f} GiB; need in GiB"
        print_table(_parts(own) if parts else _matrix(own), style, title)


def _say_measured(event: Mapping[str, Any]) -> None:
    click.echo(f"{event['model']}: measured at batch size {event['batch_size']}", err=True)


def _matrix(rows: pd.DataFrame) -> pd.DataFrame:
    """Models x batch sizes: the answer, and the interval of the need."""
    cells = rows.assign(
        cell=[
            f"{row['fits']}: {row['need, low (GiB)']:.1f} to {row['need, high (GiB)']:.1f}"
            for _, row in rows.iterrows()
        ]
    )
    table = cells.pivot(index="model", columns="batch size", values="cell")
    return table.reindex(rows["model"].unique()).reset_index().rename(columns=str)


def _parts(rows: pd.DataFrame) -> pd.DataFrame:
    names = [c for c in rows if str(c).endswith(" (GiB)") and ", " not in str(c)]
    kept = rows[["model", "batch size", "fits", *names, "need, middle (GiB)"]].fillna(0.0)
    return kept.rename(columns=lambda name: str(name).removesuffix(" (GiB)"))
