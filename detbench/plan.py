"""From what a user asks for to the runs to do: defaults filled in, contradictions refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from detbench.errors import MissingError, UsageError
from detbench.gpus import Gpu
from detbench.modes import Mode
from detbench.records import Device, Precision, RunSpec, Window
from detbench.suite import Defaults, Family, Model

_NAMED_DATASETS = ("embedded", "coco")
_NAMED_WEIGHTS = ("none", "zoo")


@dataclass(frozen=True)
class Request:
    """What the user named; None is "the default of the family's benchmark.yaml"."""

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
    num_workers: int | None = None
    seed: int = 0


def plan(
    family: Family, mode: Mode, request: Request, gpu: Gpu | None, *, to_accuracy: bool
) -> list[RunSpec]:
    """One spec a batch size.

    Without a GPU, `gpu` is None. `to_accuracy` trains the whole schedule, saves the weights and
    evaluates them; otherwise the training stops where the window ends.

    Raises:
        UsageError: something named does not exist, or contradicts something else.
        MissingError: cuda was asked for and there is no GPU.
    """
    device: Device = request.device or ("cuda" if gpu else "cpu")
    if device == "cuda" and gpu is None:
        raise MissingError("device cuda: this machine has no NVIDIA GPU", "use --device cpu")
    defaults = family.defaults[device]
    name = request.model or defaults.model
    model = family.model(name)
    framework = _framework(family, name, model, request.framework)
    specs = []
    for batch_size in request.batch_sizes or defaults.batch_sizes:
        if batch_size < 1:
            raise UsageError(f"batch size {batch_size}: it is at least 1")
        end = request.num_iterations
        if to_accuracy and end is None:
            end = model.schedule.scaled(batch_size).num_iterations
        window = _window(defaults, mode, request, end, to_accuracy)
        try:
            specs.append(
                RunSpec(
                    family=family.family,
                    framework=framework,
                    model=name,
                    mode=mode.name,
                    batch_size=batch_size,
                    window=window,
                    num_iterations=end or window.stop,
                    device=device,
                    gpu_profile=gpu.profile if gpu and device == "cuda" else "cpu",
                    precision=request.precision,
                    dataset=_located(request.dataset or defaults.dataset, _NAMED_DATASETS),
                    weights=_weights(request.weights or defaults.weights),
                    learning_rate=request.learning_rate,
                    evaluate=to_accuracy,
                    save_weights=to_accuracy,
                    num_workers=(
                        defaults.num_workers if request.num_workers is None else request.num_workers
                    ),
                    seed=request.seed,
                )
            )
        except ValidationError as error:
            raise _as_usage(error) from error
    return specs


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


def _window(
    defaults: Defaults, mode: Mode, request: Request, end: int | None, to_accuracy: bool
) -> Window:
    default = defaults.windows[mode.name]
    start = default.start if request.start is None else request.start
    count = request.count
    if count is None:
        count = end - start if to_accuracy and end is not None else default.count
    try:
        return Window(start=start, count=count)
    except ValidationError as error:
        raise _as_usage(error) from error


def _located(value: str, names: tuple[str, ...]) -> str:
    """A name as it stands, a path made absolute: the training runs elsewhere."""
    return value if value in names else str(Path(value).expanduser().resolve())


def _weights(value: str) -> str:
    found = _located(value, _NAMED_WEIGHTS)
    if found not in _NAMED_WEIGHTS and not Path(found).is_file():
        raise UsageError(f"weights file {found} does not exist", "none, zoo, or a file")
    return found


def _as_usage(error: ValidationError) -> UsageError:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return UsageError(f"{place}: {message}" if place else message, "see --help")
