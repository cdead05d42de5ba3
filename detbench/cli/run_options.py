"""The options of the verbs that train and evaluate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from detbench.cli.completion import of_gpu_profiles, of_models, of_modes
from detbench.cli.container import folder_option, limit_options
from detbench.cli.options import PRECISIONS, family_argument, format_option

F = TypeVar("F", bound=Callable[..., Any])


def whole_numbers(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...]:
    """A click callback that parses `2,4,8` into numbers."""
    try:
        return tuple(int(part) for part in value.split(",")) if value is not None else ()
    except ValueError:
        raise click.BadParameter(
            f"'{value}' is no list of whole numbers, such as 2,4,8", context, parameter
        ) from None


def _overrides(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, Any]:
    """Parse `KEY=VALUE` options, with each value as YAML."""
    import yaml

    found = {}
    for text in given:
        key, equals, value = text.partition("=")
        try:
            found[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            equals = ""
        if not (equals and key.strip()):
            raise click.BadParameter(
                f"'{text}' is no KEY=VALUE, such as MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE=32",
                context,
                parameter,
            )
    return found


_MODEL = (
    family_argument(),
    click.option(
        "--model",
        shell_complete=of_models,
        help="A model or group of the family; see `detbench models FAMILY`.",
    ),
)
_BATCH_SIZES = (
    click.option(
        "--batch-sizes",
        "batch_size",
        metavar="N,N,...",
        callback=whole_numbers,
        help="Images an iteration, of all processes together; a run each.",
    ),
)
_HOW = (
    click.option("--framework", help="detectron2, torchvision or effdet.  [default: the first]"),
    click.option("--device", type=click.Choice(["cpu", "cuda"]), help="[default: cuda if there]"),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default="fp32",
        show_default=True,
        help="fp32 has no TF32 anywhere; amp is fp16 with scaled gradients.",
    ),
    click.option("--channels-last", is_flag=True, help="Lay images and weights out so."),
    click.option("--compile", is_flag=True, help="Compile the backbone by torch.compile."),
    click.option(
        "--dataset",
        help="embedded, coco, voc2007, voc2012, voc0712, or a folder in COCO's layout.",
    ),
    click.option("--weights", help="none (from scratch), zoo, random (for speed only), or a file."),
    click.option(
        "--override",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        callback=_overrides,
        help="Change a key of detectron2's config; may be given again for another key.",
    ),
    click.option("--num-workers", type=click.IntRange(0), help="Data loader processes."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True),
    click.option(
        "--deterministic",
        is_flag=True,
        help="Refuse operators that may give another result the next time.",
    ),
)
_WHAT = (*_MODEL, *_BATCH_SIZES, *_HOW)
_PROCESSES = (
    click.option(
        "--processes",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="On this machine, a GPU each; the batch is shared among them.",
    ),
    click.option("--nodes", type=click.IntRange(1), default=1, help="Machines.  [default: 1]"),
    click.option("--node-rank", type=click.IntRange(0), default=0, help="This machine's number."),
    click.option(
        "--rendezvous",
        metavar="HOST:PORT",
        default="",
        help="Where the machines meet: machine 0, and a port that is free there.",
    ),
)
_TRAINING = (
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
)
_KERNELS = (
    click.option(
        "--kernels",
        metavar="REGEX",
        default="",
        help="Of mode nsight: measure only kernels whose name has this, such as 'gemm|conv'.",
    ),
    click.option(
        "--launch-count",
        type=click.IntRange(1),
        help="Of mode nsight: the most kernels to measure.  [default: all of the window]",
    ),
    click.option(
        "--roofline",
        is_flag=True,
        help="Of mode nsight: count operations and memory traffic too, in more passes.",
    ),
)
_EVALUATIONS = (
    click.option(
        "--evaluate-every",
        type=click.IntRange(1),
        help="Iterations between evaluations.  [default: the schedule's]",
    ),
)
_CHECKPOINTS = (
    click.option(
        "--checkpoint-every",
        type=click.IntRange(1),
        help="Iterations between checkpoints.  [default: a ninth of the training, at most 5000]",
    ),
)
_PLACE = (
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
        help="Indices, or UUIDs of GPUs or MIG instances, the first for one process; none for the"
        " CPU.  [default: those that CUDA_VISIBLE_DEVICES leaves]",
    ),
    folder_option("--dataset-dir", "/dataset, read-only", "Datasets, with --launcher docker"),
    limit_options,
    click.option(
        "--monitor-every",
        type=click.FloatRange(0),
        default=1.0,
        show_default=True,
        help="Seconds between samples of GPU, CPU, memory and disk; 0 for none.",
    ),
    click.option(
        "--time-limit",
        type=click.FloatRange(1),
        help="Seconds after which a run ends.  [default: none; in mode nsight 1800]",
    ),
)
_DOING = (
    click.option(
        "--resume",
        is_flag=True,
        help="Skip what the results hold a good run of; go on from an unfinished one's checkpoint.",
    ),
    click.option("--dry-run", is_flag=True, help="Show the commands and do nothing."),
    format_option(),
)


_WHERE = (*_PLACE, *_DOING)
_MATRIX = (
    family_argument(),
    click.option(
        "--models",
        "model",
        metavar="NAME,NAME,...",
        shell_complete=of_models,
        help="Models and groups of the family; see `detbench models FAMILY`.",
    ),
    click.option(
        "--batch-sizes",
        "batch_size",
        metavar="N,N,...",
        callback=whole_numbers,
        default="1,2,4,8,16,32",
        show_default=True,
        help="Images an iteration.",
    ),
    click.option(
        "--modes",
        metavar="MODE,MODE,...",
        shell_complete=of_modes,
        default="noprofile",
        show_default=True,
        help="A row each.",
    ),
    click.option(
        "--gpu-profile",
        shell_complete=of_gpu_profiles,
        default="auto",
        show_default=True,
        help="Go on only where this machine's GPU is that profile; auto takes what is there.",
    ),
    click.option(
        "--max-iter",
        "max_iterations",
        type=click.IntRange(1),
        default=10,
        show_default=True,
        help="Iterations of a run, its warm-up included.",
    ),
)
_SEARCH = (
    click.option("--again", is_flag=True, help="Measure anew what the results already decide."),
    click.option(
        "--confirm", is_flag=True, help="Also run what a prediction says is far too large."
    ),
    click.option("--dry-run", is_flag=True, help="Show what is known and what is left to run."),
    click.option(
        "--heat-map",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A new PNG file for the matrix, besides the one in the results.",
    ),
    format_option(),
)


def _all(*groups: tuple[Callable[[Any], Any], ...]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return decorate


run_options = _all(_WHAT, _PROCESSES, _TRAINING, _KERNELS, _WHERE)
"""Of the verbs that train a window."""
accuracy_options = _all(_WHAT, _PROCESSES, _TRAINING, _EVALUATIONS, _CHECKPOINTS, _WHERE)
"""Of the verb that trains to accuracy."""
target_options = _all(_WHAT, _PROCESSES, _TRAINING, _EVALUATIONS, _WHERE)
"""Of the verb that trains to a target."""
throughput_options = _all(_WHAT, _TRAINING, _WHERE)
"""Of the verb that trains with several numbers of processes."""
sweep_options = _all(_MATRIX, _HOW, _PLACE, _SEARCH)
"""Of the verb that fills a matrix."""
evaluation_options = _all(_WHAT, _WHERE)
"""Of the verb that trains nothing."""
