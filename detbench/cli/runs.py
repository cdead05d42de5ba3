"""The verbs that train: to accuracy, for throughput, under a profiler."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from detbench.cli.container import folder_option, host_folder, limit_options, limits
from detbench.cli.options import format_option, print_table
from detbench.errors import MissingError, RunFailedError, UsageError

if TYPE_CHECKING:
    from detbench.gpus import Gpu
    from detbench.launch.base import Launcher
    from detbench.modes import Attachment, Mode
    from detbench.records import RunRecord, RunSpec

F = TypeVar("F", bound=Callable[..., Any])


def _whole_numbers(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in value.split(",")) if value is not None else ()
    except ValueError:
        raise click.BadParameter(
            f"'{value}' is no list of whole numbers, such as 2,4,8", context, parameter
        ) from None


_OPTIONS = (
    click.argument("family"),
    click.option("--model", help="A model of the family; see `detbench models FAMILY`."),
    click.option("--framework", help="detectron2 or torchvision.  [default: detectron2]"),
    click.option(
        "--batch-sizes",
        metavar="N,N,...",
        callback=_whole_numbers,
        help="Images an iteration; a run each.",
    ),
    click.option("--device", type=click.Choice(["cpu", "cuda"]), help="[default: cuda if there]"),
    click.option(
        "--precision", type=click.Choice(["fp32", "amp"]), default="fp32", show_default=True
    ),
    click.option(
        "--dataset",
        help="embedded, coco (under /dataset), or a folder in COCO's layout.",
    ),
    click.option("--weights", help="none (from scratch), zoo, or a file to start from."),
    click.option(
        "--learning-rate",
        type=click.FloatRange(0, min_open=True),
        help="[default: the schedule's, scaled linearly with the batch size]",
    ),
    click.option("--start", type=click.IntRange(0), help="First measured iteration."),
    click.option("--count", type=click.IntRange(1), help="How many iterations are measured."),
    click.option(
        "--iterations",
        type=click.IntRange(1),
        help="Where the training ends.  [default: with the window; train: with the schedule]",
    ),
    click.option("--num-workers", type=click.IntRange(0), help="Data loader processes."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True),
    click.option(
        "--results",
        type=click.Path(path_type=Path, file_okay=False),
        help="Where runs are kept.  [default: results/, in a container /scratch/measurements]",
    ),
    click.option(
        "--launcher",
        type=click.Choice(["local", "docker"]),
        default="local",
        show_default=True,
        help="As a process of this machine, or in a new container of the family's image.",
    ),
    click.option(
        "--gpus",
        default="",
        help="An index, or the UUID of a GPU or MIG instance; none for the CPU.  [default: the"
        " first that CUDA_VISIBLE_DEVICES leaves]",
    ),
    folder_option("--dataset-dir", "/dataset, read-only", "Datasets, with --launcher docker"),
    limit_options,
    click.option("--time-limit", type=click.FloatRange(1), help="Seconds after which a run ends."),
    click.option("--resume", is_flag=True, help="Skip runs of which the results hold a good one."),
    click.option("--dry-run", is_flag=True, help="Show the commands and do nothing."),
    format_option(),
)


def _run_options(function: F) -> F:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command()
@_run_options
def train(family: str, **options: Any) -> None:
    """Train a FAMILY's model to the end of its schedule and evaluate it.

    \b
    Example:
      detbench train maskrcnn --model mask_rcnn_R_18_FPN_tiny --dataset embedded --device cpu
    """
    from detbench.modes import MODES
    from detbench.state import switched
    from detbench.suite import checkout

    if checkout() is not None and (mode := switched(family)).name != "noprofile":
        raise UsageError(
            f"{family} is switched to {mode.name}, and training to accuracy is done in noprofile",
            "bash switch.sh noprofile",
        )
    _do(family, MODES["noprofile"], options, to_accuracy=True)


@click.command()
@click.option("--mode", help="[default: the switched one]")
@_run_options
def run(family: str, mode: str | None, **options: Any) -> None:
    """Run a window of training of a FAMILY in the switched mode.

    \b
    Example:
      detbench run maskrcnn --mode memory --batch-sizes 2,4
    """
    from detbench.modes import resolve_mode
    from detbench.state import switched

    _do(family, resolve_mode(mode) if mode else switched(family), options, to_accuracy=False)


@click.command()
@_run_options
@click.argument("mode", required=False)
def profile(family: str, mode: str | None, **options: Any) -> None:
    """Profile a window of training of a FAMILY in the switched mode; MODE has to be that one.

    \b
    Example:
      detbench profile maskrcnn torch
    """
    from detbench.modes import resolve_mode
    from detbench.state import switched

    current = switched(family)
    if mode is not None and resolve_mode(mode) != current:
        raise UsageError(
            f"{family} is switched to {current.name}, not to {mode}", f"bash switch.sh {mode}"
        )
    if current.name == "noprofile":
        raise UsageError(f"{family} is switched to noprofile", "bash switch.sh torch, for example")
    _do(family, current, options, to_accuracy=False)


def _do(family_name: str, mode: Mode, options: dict[str, Any], *, to_accuracy: bool) -> None:
    """Plan the runs, do them one after the other and print a row each."""
    from detbench import gpus, results
    from detbench.plan import Request, plan
    from detbench.suite import load_family

    root = options.pop("results") or results.default_root()
    time_limit, resume = options.pop("time_limit"), options.pop("resume")
    dry_run, style = options.pop("dry_run"), options.pop("style")
    chosen, limited = options.pop("gpus"), limits(options)
    in_container, datasets = options.pop("launcher") == "docker", options.pop("dataset_dir")
    request = Request(num_iterations=options.pop("iterations"), **options)
    family = load_family(family_name)
    gpu, why_none = gpus.chosen(chosen)
    if gpu is None and chosen not in ("", "none"):
        raise MissingError(f"--gpus {chosen}: {why_none}", "pass --gpus none for the CPU")
    specs = plan(family, mode, request, gpu, to_accuracy=to_accuracy)
    gpu = gpu if specs[0].device == "cuda" else None
    launcher: Launcher
    if in_container:
        from detbench.launch.container import ContainerLauncher

        launcher = ContainerLauncher(
            family=family_name,
            results=root,
            datasets=None if dry_run else host_folder(datasets, "dataset"),
            read_only=_paths(specs),
            gpus=(gpu.uuid,) if gpu else (),
            limits=limited,
            counters=mode.name == "nsight" and gpu is not None,
        )
    else:
        from detbench.launch.local import LocalLauncher

        launcher = LocalLauncher(gpu.uuid if gpu else "")
    if dry_run:
        _show_commands(specs, mode, gpu, root, launcher)
        return
    if in_container:
        _say_image(family_name, launcher.reads_counters())
    done = []
    for spec in specs:
        done.append(_one(spec, mode, gpu, why_none, root, time_limit, resume, launcher))
        if done[-1][1].status == "interrupted":
            break  # the user meant all of it
    _print_records(done, style)
    bad = [(folder, record) for folder, record in done if record.status != "ok"]
    if bad:
        folder, record = bad[0]
        more = f" ({len(bad)} of {len(done)} runs)" if len(bad) > 1 else ""
        raise RunFailedError(
            f"{record.spec.model} batch size {record.spec.batch_size}: {record.status}:"
            f" {record.cause}{more}",
            f"see {folder / 'output.log'}",
        )


def _one(
    spec: RunSpec,
    mode: Mode,
    gpu: Gpu | None,
    why_no_gpu: str,
    root: Path,
    time_limit: float | None,
    resume: bool,
    launcher: Launcher,
) -> tuple[Path, RunRecord]:
    from detbench import results
    from detbench.cli.progress import TrainingProgress
    from detbench.doctor import lacks
    from detbench.modes import attach
    from detbench.runs import execute

    if resume and (found := results.find_ok(root, spec)):
        return found
    attachment = attach(mode, gpu, spec.batch_size, spec.window)
    missing = lacks(mode, attachment, launcher, gpu, why_no_gpu)
    if missing:
        raise MissingError(
            f"mode {mode.name} lacks " + ", and ".join(lack.what for lack in missing),
            "; ".join(lack.remedy for lack in missing),
        )
    if attachment.reason:
        click.echo(f"{mode.name}: {attachment.reason}", err=True)
    with TrainingProgress(f"{spec.model} bs{spec.batch_size} {spec.mode}") as progress:
        return execute(
            spec,
            attachment,
            launcher,
            root=root,
            on_event=progress.on_event,
            time_limit=time_limit,
        )


def _paths(specs: list[RunSpec]) -> tuple[Path, ...]:
    """The files and folders that runs read by a path of this host."""
    named = {name for spec in specs for name in (spec.dataset, spec.weights)}
    return tuple(sorted(Path(name) for name in named if Path(name).is_absolute()))


def _say_image(family: str, counters: bool) -> None:
    """What is to be known before runs in a family's image begin."""
    from detbench.launch import images
    from detbench.launch.docker import engine
    from detbench.suite import checkout

    root = checkout()
    with engine() as client:
        if root is not None and (old := images.staleness(client, root, family)):
            click.echo(f"{old}: bash build_image.sh", err=True)
    if counters:
        click.echo("the container may read GPU counters: CAP_SYS_ADMIN is added", err=True)


def _show_commands(
    specs: list[RunSpec], mode: Mode, gpu: Gpu | None, root: Path, launcher: Launcher
) -> None:
    from detbench.modes import attach
    from detbench.runs import training_command

    if mode.needs_gpu and gpu is None:
        click.echo("no GPU here: the command as for a current data-centre GPU", err=True)
    for spec in specs:
        attachment: Attachment = attach(mode, gpu, spec.batch_size, spec.window)
        if attachment.reason:
            click.echo(f"{mode.name}: {attachment.reason}", err=True)
        click.echo(
            shlex.join(
                training_command(
                    attachment, launcher.python, launcher.seen(root / spec.gpu_profile / "RUN")
                )
            )
        )


def _print_records(done: list[tuple[Path, RunRecord]], style: str) -> None:
    import pandas as pd

    for_the_eye = style in ("table", "md")

    rows = []
    for folder, record in done:
        speed = record.throughput
        rows.append(
            {
                "model": record.spec.model,
                "batch size": record.spec.batch_size,
                "mode": record.spec.mode,
                "status": record.status,
                "images/s": speed.images_per_second if speed else None,
                "iterations": str(record.spec.window),
                "data wait (%)": 100 * speed.data_wait_share if speed else None,
                **(record.accuracy or {}),
                "run": str(folder),
            }
        )
    table = pd.DataFrame(rows)
    if for_the_eye:  # what is long or seldom looked at stands in run.json
        table = table.drop(columns=["run", *(c for c in table if str(c).endswith("AP75"))])
    print_table(table, style)
    if for_the_eye:
        for folder, _ in done:
            click.echo(f"kept in {min(os.path.relpath(folder), str(folder), key=len)}")
