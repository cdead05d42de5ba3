"""Turns a user's request into run specs: fills in defaults and refuses contradictions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from detbench.datasets import NAMES as DATASETS
from detbench.datasets.voc import NAMES as VOC
from detbench.errors import MissingError, UsageError
from detbench.gpus.discovery import Gpu
from detbench.records.modes import Mode
from detbench.records.spec import NAMED_WEIGHTS, Device, Nodes, Precision, RunSpec, Window
from detbench.sizes import size_name
from detbench.suite import Defaults, Family, Model, Schedule

_SHORT_WARM_UP = 3  # iterations, after which allocators and autotuners have settled
_MOST_CHECKPOINTS, _CHECKPOINT_EVERY = 9, 5000  # the latter is detectron2's
# The modes whose profilers follow a single process.
_ONE_PROCESS = ("nvprof", "nsight", "dlprof")
_DLPROF_BUILDERS = "_resnet50_fpn"

Purpose = Literal["accuracy", "target", "window", "evaluation"]


@dataclass(frozen=True)
class Request:
    """The user's options; None stands for the default in the family's benchmark.yaml.

    Attributes:
        model: a model or a group, or several separated by commas.
        shortened_to: the latest end of the window, whose warm-up is cut too; see `_shortened`.
            None keeps the family's window.
        memory_limit: in bytes; a run on the CPU under a limit has its own GPU profile,
            `cpu-900MiB`.
        kernels, launch_count, roofline: see `RunSpec`.
    """

    framework: str | None = None
    model: str | None = None
    batch_sizes: tuple[int, ...] = ()
    device: Device | None = None
    precision: Precision = "fp32"
    dataset: str | None = None
    weights: str | None = None
    learning_rate: float | None = None
    start: int | None = None
    count: int | None = None
    num_iterations: int | None = None
    shortened_to: int | None = None
    evaluate_every: int | None = None
    checkpoint_every: int | None = None
    target: Mapping[str, float] = field(default_factory=dict)
    num_workers: int | None = None
    num_processes: int = 1
    batch_per_process: bool = False
    nodes: Nodes = field(default_factory=Nodes)
    seed: int = 0
    deterministic: bool = False
    channels_last: bool = False
    compile: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)
    memory_limit: int | None = None
    kernels: str = ""
    launch_count: int | None = None
    roofline: bool = False


def plan(
    family: Family, mode: Mode, request: Request, gpu: Gpu | None, *, purpose: Purpose
) -> list[RunSpec]:
    """One spec per model and batch size.

    Without a GPU, `gpu` is None. The purpose `accuracy` trains the whole schedule, saves the
    weights and evaluates them, at the first batch size unless others are named; `window` stops
    the training where the window ends; `evaluation` trains nothing. `target` trains until an
    evaluation meets it, without checkpoints: time-to-train cannot be measured across a restart.

    Raises:
        UsageError: something named does not exist, or contradicts something else.
        MissingError: cuda was requested and there is no GPU.
    """
    device: Device = request.device or ("cuda" if gpu else "cpu")
    if device == "cuda" and gpu is None:
        raise MissingError("device cuda: this machine has no NVIDIA GPU", "use --device cpu")
    if request.num_processes * request.nodes.count > 1 and mode.name in _ONE_PROCESS:
        raise UsageError(
            f"mode {mode.name} profiles one process", "leave --processes out, or switch to torch"
        )
    defaults = family.defaults[device]
    batch_sizes = request.batch_sizes or defaults.batch_sizes
    if purpose != "window" and not request.batch_sizes:
        batch_sizes = batch_sizes[:1]
    k = request.num_processes if request.batch_per_process else 1
    profile = gpu.profile if gpu and device == "cuda" else _cpu_profile(request.memory_limit)
    named = (request.model or defaults.model).split(",")
    names = dict.fromkeys(name for one in named for name in family.group(one.strip()))
    return [
        _spec(family, mode, request, defaults, device, profile, name, k * batch_size, purpose)
        for name in names
        for batch_size in batch_sizes
    ]


def _cpu_profile(memory_limit: int | None) -> str:
    return "cpu" if memory_limit is None else f"cpu-{size_name(memory_limit)}"


def _spec(
    family: Family,
    mode: Mode,
    request: Request,
    defaults: Defaults,
    device: Device,
    profile: str,
    name: str,
    batch_size: int,
    purpose: Purpose,
) -> RunSpec:
    if batch_size < 1:
        raise UsageError(f"batch size {batch_size} is too small", "it is at least 1")
    model = family.model(name)
    end, evaluate_every, checkpoint_every = _course(
        model.schedule.scaled(batch_size), request, purpose
    )
    window = _window(defaults, mode, request, end, purpose)
    dataset = _located(request.dataset or defaults.dataset, DATASETS)
    _check_target(request.target, dataset)
    workers = _workers(mode, request, defaults)
    _check_kernels(mode, request)
    framework = _framework(family, name, model, request.framework)
    if mode.name == "dlprof" and device == "cuda":  # elsewhere it is refused for lack of a GPU
        _check_dlprof(family, name)
        framework = "torchvision"
    if request.overrides and framework != "detectron2":
        raise UsageError(f"{name} is trained by {framework}", "--override changes detectron2 only")
    weights = _weights(request.weights or defaults.weights)
    if weights == "random" and purpose != "window":
        raise UsageError(
            "--weights random learns nothing: it is for speed and memory",
            "--weights none trains from scratch",
        )
    _check_numbers(request, device)
    if purpose == "evaluation" and weights == "zoo" and not _in_zoo(model, framework):
        raise UsageError(
            f"{framework} has no trained {name} in its zoo", "--weights FILE evaluates a file"
        )
    try:
        return RunSpec(
            family=family.family,
            framework=framework,
            model=name,
            mode=mode.name,
            batch_size=batch_size,
            window=window,
            num_iterations=end or window.stop,
            device=device,
            gpu_profile=profile,
            precision=request.precision,
            dataset=dataset,
            weights=weights,
            learning_rate=request.learning_rate,
            train=purpose != "evaluation",
            evaluate=purpose != "window",
            evaluate_every=evaluate_every,
            save_weights=purpose in ("accuracy", "target"),
            checkpoint_every=checkpoint_every,
            target=dict(request.target),
            num_workers=workers,
            num_processes=request.num_processes,
            nodes=request.nodes,
            seed=request.seed,
            deterministic=request.deterministic,
            channels_last=request.channels_last,
            compile=request.compile,
            overrides=dict(request.overrides),
            kernels=request.kernels,
            launch_count=request.launch_count,
            roofline=request.roofline,
        )
    except ValidationError as error:
        raise _as_usage(error) from error


def _workers(mode: Mode, request: Request, defaults: Defaults) -> int:
    """The data loader's processes: none in mode nsight, as ncu has hung with forked children."""
    wanted = request.num_workers
    if mode.name != "nsight":
        return defaults.num_workers if wanted is None else wanted
    if wanted:
        raise UsageError(
            f"--num-workers {wanted}: mode nsight loads its images in the training's own process",
            "leave --num-workers out",
        )
    return 0


def _check_kernels(mode: Mode, request: Request) -> None:
    """Refuse a choice of kernels where none are measured one by one."""
    given = bool(request.kernels) or request.launch_count is not None or request.roofline
    if mode.name != "nsight" and given:
        raise UsageError(
            "--kernels, --launch-count and --roofline choose what mode nsight measures,"
            f" not {mode.name}",
            "leave them out, or switch to nsight",
        )
    try:
        re.compile(request.kernels)
    except re.error as error:
        raise UsageError(
            f"--kernels '{request.kernels}' is no regular expression: {error}",
            "as in --kernels 'gemm|conv'",
        ) from error


def _check_numbers(request: Request, device: Device) -> None:
    """Refuse a precision or a compiler that cannot be there."""
    if request.precision == "tf32" and device == "cpu":
        raise UsageError("--precision tf32: a CPU has no TF32", "use --precision fp32")
    if request.compile and request.deterministic:
        raise UsageError(
            "--compile may choose other operators each time", "leave out --deterministic"
        )


def _in_zoo(model: Model, framework: str) -> bool:
    """Whether there are trained weights of the model, with COCO's classes in detectron2's order."""
    section = model.detectron2
    return framework == "detectron2" and section is not None and not section.overrides


def _course(
    schedule: Schedule, request: Request, purpose: Purpose
) -> tuple[int | None, int | None, int | None]:
    """The last iteration of a training, and the iterations between evaluations and checkpoints."""
    if purpose == "window":
        return request.num_iterations, None, None
    if purpose == "evaluation":
        return 1, None, None
    end = request.num_iterations or schedule.num_iterations
    often = min(_CHECKPOINT_EVERY, max(1, end // _MOST_CHECKPOINTS))
    evaluate_every = request.evaluate_every or schedule.evaluate_every
    return (
        end,
        evaluate_every,
        (request.checkpoint_every or often) if purpose == "accuracy" else None,
    )


def _check_target(target: Mapping[str, float], dataset: str) -> None:
    """Refuse a metric that the dataset's evaluation does not report."""
    for metric in target:
        if metric.startswith("VOC ") != (dataset in VOC):
            measure = "VOC mAP" if dataset in VOC else "box AP, mask AP and the like"
            raise UsageError(
                f"--target: {dataset} is not measured by {metric}", f"it is measured by {measure}"
            )


def _framework(family: Family, name: str, model: Model, wanted: str | None) -> str:
    if wanted is None:
        return next(f for f in family.frameworks if f in model.frameworks())
    if wanted not in family.frameworks:
        raise UsageError(
            f"{family.family} has no framework '{wanted}'", f"known: {', '.join(family.frameworks)}"
        )
    if wanted not in model.frameworks():
        able = [n for n, m in family.models.items() if wanted in m.frameworks()]
        raise UsageError(f"{wanted} does not have {name}", f"it has: {', '.join(able)}")
    return wanted


def _check_dlprof(family: Family, name: str) -> None:
    """Refuse a model that mode dlprof's image lacks: see benchmarks/dlprof_train.py."""
    able = [
        n
        for n, m in family.models.items()
        if m.torchvision and m.torchvision.builder.endswith(_DLPROF_BUILDERS)
    ]
    if name not in able:
        raise UsageError(
            f"mode dlprof trains torchvision's models of an image of 2021, not {name}",
            f"it has: {', '.join(able) or 'none of this family'}",
        )


def _window(
    defaults: Defaults, mode: Mode, request: Request, end: int | None, purpose: Purpose
) -> Window:
    default = defaults.windows[mode.name]
    if purpose == "evaluation":
        return Window(start=0, count=1)
    if request.shortened_to is not None:
        default = _shortened(default, mode, request.shortened_to)
    start = default.start if request.start is None else request.start
    count = request.count
    if count is None:
        count = end - start if purpose != "window" and end is not None else default.count
    try:
        return Window(start=start, count=count)
    except ValidationError as error:
        raise _as_usage(error) from error


def _shortened(window: Window, mode: Mode, stop: int) -> Window:
    """The window with a shorter warm-up and its end at `stop`; a profiler's own count is kept."""
    start = min(window.start, _SHORT_WARM_UP, stop - 1)
    left = stop - start
    return Window(start=start, count=left if mode.name == "noprofile" else min(window.count, left))


def _located(value: str, names: tuple[str, ...]) -> str:
    """A known name unchanged, or an absolute path, because the training runs in another folder."""
    return value if value in names else str(Path(value).expanduser().resolve())


def _weights(value: str) -> str:
    found = _located(value, NAMED_WEIGHTS)
    if found not in NAMED_WEIGHTS and not Path(found).is_file():
        raise UsageError(f"weights file {found} does not exist", "name a file, none, zoo or random")
    return found


def _as_usage(error: ValidationError) -> UsageError:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return UsageError(f"{place}: {message}" if place else message, "see --help")
