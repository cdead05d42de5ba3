"""Training and evaluating a family's models: every function returns runs, whichever way they ended.

A run that ended as `oom` or `failed` is returned with its record, like one that went well. What is
refused before it begins is raised, as a class of `detbench.errors`. Nothing is printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from detbench.api import requested as _requested
from detbench.api.options import CommandOptions, EvaluationOptions, ProfileOptions, TrainOptions
from detbench.errors import UsageError
from detbench.records.modes import MODES, Mode, resolve_mode
from detbench.records.store import Run
from detbench.running import session
from detbench.running.plan import Purpose
from detbench.running.session import Commands
from detbench.running.switched import switched


def run(
    family: str, mode: str | None = "noprofile", **options: Unpack[ProfileOptions]
) -> list[Run]:
    """Train a window of a family's models: a run a model and batch size.

    Args:
        family: such as `maskrcnn`.
        mode: what is attached to the training; None for what the checkout is switched to.
        **options: see `ProfileOptions`.

    Raises:
        UsageError: something named does not exist, or contradicts something else.
        MissingError: the machine lacks what the runs need.
        DetbenchError: a training was refused before its first iteration.
    """
    _requested.check("run", options, ProfileOptions)
    chosen = resolve_mode(mode) if mode is not None else switched(family)
    return _done(family, chosen, options, "window")


def train(family: str, **options: Unpack[TrainOptions]) -> list[Run]:
    """Train to the end of the schedule, and evaluate the weights; nothing is attached to it.

    Leaves the weights, metrics.json, the training curve and predictions as pictures; checkpoints
    until it has ended well. With `resume` an interrupted training goes on from its newest one.

    Raises:
        UsageError: something named does not exist, or contradicts something else.
        MissingError: the machine lacks what the runs need.
        DetbenchError: a training was refused before its first iteration.
    """
    _requested.check("train", options, TrainOptions)
    return _done(family, MODES["noprofile"], options, "accuracy")


def evaluate(family: str, weights: str | Path, **options: Unpack[EvaluationOptions]) -> list[Run]:
    """Evaluate weights on the val split: a file, or `zoo`, which detectron2 publishes.

    Raises:
        UsageError: something named does not exist, or contradicts something else.
        MissingError: the machine lacks what the runs need.
        DetbenchError: an evaluation was refused, as by weights of another architecture.
    """
    _requested.check("evaluate", options, EvaluationOptions)
    _check_weights(weights)
    return _done(family, MODES["noprofile"], {**options, "weights": weights}, "evaluation")


def commands(
    family: str,
    mode: str | None = "noprofile",
    *,
    purpose: Purpose = "window",
    target: Mapping[str, float] | None = None,
    batch_per_process: bool = False,
    **options: Unpack[CommandOptions],
) -> Commands:
    """The command lines that runs would be done by, and what is to be known of them.

    Nothing is made, and no GPU is needed.

    Args:
        family: such as `maskrcnn`.
        mode: as `run` takes it.
        purpose: `window` for what `run` and `measure_throughput` do, `accuracy` for `train`,
            `target` for `measure_time_to_train`, `evaluation` for `evaluate`.
        target: metrics and percents, with the purpose `target`.
        batch_per_process: whether a batch size is that of one process.
        **options: see `TrainOptions` and `ProfileOptions`.

    Raises:
        UsageError: something named does not exist, or contradicts something else.
        MissingError: a GPU was asked for that is not here.
    """
    _requested.check("commands", options, CommandOptions)
    if purpose == "evaluation":
        _check_weights(options.get("weights"))
    chosen = resolve_mode(mode) if mode is not None else switched(family)
    request = _requested.request(options, target=target or {}, batch_per_process=batch_per_process)
    where, on_event = _requested.place(options), _requested.on_event(options)
    begun, specs = session.prepare(family, chosen, request, where, purpose, on_event, dry_run=True)
    return begun.commands(specs)


def _check_weights(weights: str | Path | None) -> None:
    if not weights:
        raise UsageError("eval needs weights to evaluate", "pass --weights FILE, or zoo")


def _done(family: str, mode: Mode, options: Mapping[str, Any], purpose: Purpose) -> list[Run]:
    """Plan the runs and do them."""
    where, on_event = _requested.place(options), _requested.on_event(options)
    request = _requested.request(options)
    begun, specs = session.prepare(family, mode, request, where, purpose, on_event)
    return session.do_all((begun, spec) for spec in specs)
