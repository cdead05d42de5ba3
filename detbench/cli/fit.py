"""`fit`: which model and batch size a GPU profile has the memory for, told without the GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from detbench.cli.completion import of_gpu_profiles, of_models
from detbench.cli.options import family_argument, format_option, print_table
from detbench.cli.run_options import whole_numbers
from detbench.errors import MissingError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from detbench.fitting.footprints import Footprint, Setting
    from detbench.fitting.need import Need, Range
    from detbench.gpus.profiles import GpuProfile
    from detbench.records.spec import Precision
    from detbench.suite import Family

_GIB = 1 << 30
_MOST = 4096  # images a GPU: more than any of today's has the memory for
_MEASURED = (2, 4)  # batch sizes: a line needs two


def _size(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int]:
    width, _, height = value.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise click.BadParameter(f"'{value}' is no WIDTHxHEIGHT, such as 1024x1024")
    return int(width), int(height)


@click.command()
@family_argument()
@click.option(
    "--models",
    shell_complete=of_models,
    help="Models or groups, with commas.  [default: the family's on a GPU]",
)
@click.option(
    "--batch-sizes",
    metavar="N,N,...",
    callback=whole_numbers,
    help="Images a GPU.  [default: the largest that fits is looked for]",
)
@click.option(
    "--gpu-profile",
    "profiles",
    shell_complete=of_gpu_profiles,
    default="auto",
    show_default=True,
    help="auto for the GPUs here, or names with commas; see `detbench gpus --catalogue`.",
)
@click.option(
    "--image-size",
    metavar="WxH",
    default="1333x800",
    show_default=True,
    callback=_size,
    help="Of the images in pixels, before the model resizes them.",
)
@click.option("--num-classes", type=click.IntRange(1), default=80, show_default=True)
@click.option(
    "--rois-per-image",
    type=click.IntRange(1),
    help="detectron2's MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE.  [default: 512]",
)
@click.option(
    "--objects",
    type=click.IntRange(1),
    default=60,
    show_default=True,
    help="The most that an image has.",
)
@click.option("--precision", type=click.Choice(["fp32", "amp"]), default="fp32", show_default=True)
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="GPUs: several hold every gradient twice.",
)
@click.option("--parts", is_flag=True, help="Show what each prediction is made of.")
@click.option(
    "--measure",
    "measures",
    is_flag=True,
    help="Measure this very setting first, on the CPU: two short trainings a model.",
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
    """Predict which batch sizes of a FAMILY's models a GPU's memory allows. Needs no GPU.

    yes and no are certain by the intervals of need and capacity, borderline is in between. What a
    training's tensors take was measured on a CPU; what comes on top on a GPU is known from
    published figures (docs/metrics.md, "Fit").

    \b
    Examples:
      detbench fit faster_rcnn --gpu-profile A100D-1-10C,A100D-2-20C
      detbench fit faster_rcnn --models faster_rcnn_R_50_FPN_1x --batch-sizes 8,16,32 \\
        --gpu-profile A100D-2-20C --image-size 1024x1024 --num-classes 1 --rois-per-image 32
    """
    from detbench.fitting.footprints import Setting
    from detbench.suite import load_family

    loaded = load_family(family)
    setting = Setting(
        width=image_size[0],
        height=image_size[1],
        num_objects=objects,
        num_classes=num_classes,
        rois_per_image=rois_per_image,
        precision=precision,
    )
    wanted = (models or loaded.defaults["cuda"].model).split(",")
    names = list(dict.fromkeys(model for name in wanted for model in loaded.group(name)))
    chosen = _profiles(profiles)
    asked = [_Asked.of(loaded, name, setting, processes, measures=measures) for name in names]
    if not batch_sizes:
        print_table(_largest(asked, chosen), style, "Largest batch size a GPU")
        return
    rows = _rows(asked, batch_sizes, chosen)
    if style in ("csv", "json"):
        print_table(rows, style)
        return
    for profile in chosen:
        own = rows[rows["GPU profile"] == profile.name]
        low, high = own["capacity, low (GiB)"].iloc[0], own["capacity, high (GiB)"].iloc[0]
        title = f"{profile.name}: {low:.2f} to {high:.2f} GiB; need in GiB"
        print_table(_parts(own) if parts else _matrix(own), style, title)


def _profiles(names: str) -> list[GpuProfile]:
    from detbench.gpus import discovery
    from detbench.gpus.profiles import profile_named

    if names != "auto":
        return [profile_named(name) for name in names.split(",")]
    here, why_none = discovery.several()
    if not here:
        raise MissingError(
            f"--gpu-profile auto: {why_none}",
            "name one, such as A100D-2-20C; detbench gpus --catalogue lists them",
        )
    found = [gpu.catalogued for gpu in here]
    if None in found:
        name = here[found.index(None)].name
        raise UsageError(f"'{name}' is not in the catalogue", "name a profile of the same memory")
    return list(dict.fromkeys(profile for profile in found if profile is not None))


@dataclass(frozen=True)
class _Asked:
    """A model whose needs are asked for."""

    model: str
    footprints: Sequence[Footprint]
    setting: Setting
    processes: int

    @staticmethod
    def of(
        family: Family, model: str, wanted: Setting, processes: int, *, measures: bool
    ) -> _Asked:
        from detbench.fitting.footprints import known
        from detbench.fitting.measure import framework_of, measure_new, setting_of

        setting = setting_of(family, model, wanted)
        if measures:
            for footprint in measure_new(family, model, setting, _MEASURED):
                click.echo(f"{model}: measured at batch size {footprint.batch_size}", err=True)
        return _Asked(model, known(framework_of(family, model), model), setting, processes)

    def need(self, batch_size: int) -> Need:
        from detbench.fitting.need import need

        return need(self.model, self.footprints, self.setting, batch_size, self.processes)


def _rows(
    asked: Sequence[_Asked], batch_sizes: Sequence[int], profiles: Sequence[GpuProfile]
) -> pd.DataFrame:
    """A row a profile, model and batch size."""
    import pandas as pd

    from detbench.fitting.need import answer, capacity

    needs = {(each.model, size): each.need(size) for each in asked for size in batch_sizes}
    rows: list[dict[str, Any]] = []
    for profile in profiles:
        available = capacity(profile)
        for (model, batch_size), needed in needs.items():
            rows.append(
                {
                    "GPU profile": profile.name,
                    "model": model,
                    "batch size": batch_size,
                    "fits": answer(needed, available),
                    "leans to": "yes" if needed.total.middle <= available.middle else "no",
                    **_in_gib("need", needed.total),
                    **_in_gib("capacity", available),
                    "setting": "measured" if needed.is_measured else "by the law",
                    **{f"{name} (GiB)": part.middle / _GIB for name, part in needed.parts.items()},
                }
            )
    return pd.DataFrame(rows)


def _in_gib(name: str, amount: Range) -> dict[str, float]:
    return {
        f"{name}, {which} (GiB)": getattr(amount, which) / _GIB
        for which in ("low", "middle", "high")
    }


def _matrix(rows: pd.DataFrame) -> pd.DataFrame:
    """Models by batch sizes: the answer, and the need from its least to its most."""
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


def _largest(asked: Sequence[_Asked], profiles: Sequence[GpuProfile]) -> pd.DataFrame:
    """Models by profiles: the largest batch size that fits for certain, and perhaps."""
    import pandas as pd

    from detbench.fitting.need import answer, capacity

    def largest(each: _Asked, profile: GpuProfile, answers: tuple[str, ...]) -> int:
        """The last batch size whose answer is one of these."""
        available = capacity(profile)
        low, high = 0, _MOST  # low fits, high does not
        while high - low > 1:
            middle = (low + high) // 2
            fits = answer(each.need(middle), available) in answers
            low, high = (middle, high) if fits else (low, middle)
        return low

    rows = []
    for each in asked:
        row: dict[str, Any] = {"model": each.model}
        for profile in profiles:
            certain = largest(each, profile, ("yes",))
            perhaps = largest(each, profile, ("yes", "borderline"))
            row[profile.name] = f"{certain}" + (f", perhaps {perhaps}" if perhaps > certain else "")
        rows.append(row)
    return pd.DataFrame(rows)
