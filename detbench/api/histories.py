"""Tables of trainings from their own logs: throughput, evaluations, time to train."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from detbench.api.files import Files, TrainingHistory, recordings
from detbench.api.tables import joined, of_file, short_names, stack
from detbench.errors import BadFileError
from detbench.readers.run_facts import RunFacts, read_run_facts
from detbench.readers.training_log import TrainingLog, metrics_of
from detbench.utilization import throughput as speeds
from detbench.utilization import time_to_train as times
from detbench.utilization.described import described

WARM_UP = 20  # iterations at the start that do not count
OPTIONAL = (
    "dataset", "evaluation (s)", "inference (s/img)", "inference (s/batch)", "devices",
)  # fmt: skip
"""Columns of evaluations that a log need not tell."""


def throughput(
    files: Files, *, batch_size: int | None = None, warmup: int | None = None
) -> pd.DataFrame:
    """Images per second from a training's own reports, warm-up excluded: a row a file.

    The ratio of sums, images / time of the iterations reported on; docs/metrics.md says more.

    Args:
        files: `metrics.json` or `log.txt` of detectron2 or detbench: paths, or what `read` gave.
        batch_size: images an iteration; None takes it from the log, or from `run.json` or
            `config.yaml` beside it.
        warmup: iterations at the start of a process that do not count; None for 20.

    Raises:
        BadFileError: a file cannot be read, or tells no iteration's time behind the warm-up.
    """
    left_out = WARM_UP if warmup is None else warmup
    read = recordings(files, TrainingHistory, "training history")
    rows = [_speed(each, batch_size, left_out) for each in read]
    table = pd.DataFrame(rows).astype({"batch size": "Int64"})
    if table["dataset"].isna().all():
        table = table.drop(columns="dataset")
    unknown = table["file"][table["batch size"].isna()]
    return described(
        table,
        kind="throughput",
        title="Throughput from the training's reports, warm-up excluded",
        window=joined(f"iterations {window}" for window in table["window"]),
        denominator="images / time of the iterations reported on",
        count=f"{int(table['iterations'].sum()):,} iterations",
        notes=[f"images/s is n/a: nothing tells the batch size of {file}" for file in unknown],
    )


def evaluations(files: Files) -> pd.DataFrame:
    """The accuracy over a training: a row an evaluation, AP in percent.

    Raises:
        BadFileError: a file cannot be read, or has no evaluation in it.
    """
    read = recordings(files, TrainingHistory, "training history")
    table = stack({each.path: _evaluations(each) for each in read})
    return described(
        table,
        kind="evaluations",
        title="Evaluations, AP in percent",
        window=joined(each.source.window for each in read),
        denominator="the whole val split",
        count=f"{len(table):,} evaluations",
        notes=[each.content.no_wall for each in read if each.content.no_wall],
    )


def time_to_train(files: Files, target: Mapping[str, float]) -> pd.DataFrame:
    """How long each training took to the first evaluation that met the target, in minutes.

    Args:
        files: logs of trainings: paths, or what `read` gave.
        target: metrics and what they have to reach in percent: `{"box AP": 37.7}`; a word alone
            (`box`) means its AP.

    Raises:
        BadFileError: a file cannot be read, or has no evaluation by such a metric.
    """
    goals = {name if " " in name else f"{name} AP": goal for name, goal in target.items()}
    read = recordings(files, TrainingHistory, "training history")
    remedy = "--by evaluation shows what it has"
    table = stack(
        {
            each.path: of_file(each.path, remedy, times.time_to_train, each.content, goals)
            for each in read
        }
    )
    return described(
        table,
        kind="time_to_train",
        title="Time to train, to the first evaluation that met the target",
        window="from a training's start to the evaluation that met all of the target",
        denominator="wall time, evaluations included and pauses left out; see the column clock",
        count=f"{len(table):,} trainings",
        notes=[each.content.no_wall for each in read if each.content.no_wall],
    )


def training_curves(files: Files) -> dict[str, TrainingLog]:
    """The logs whose curves can be drawn, by what to call each.

    Raises:
        BadFileError: a file cannot be read, or has no iteration in it.
    """
    read = recordings(files, TrainingHistory, "training history")
    for each in read:
        if each.content.reports.empty:
            raise BadFileError(
                each.path, "no iteration in it: no curve to draw", "leave --plot out"
            )
    names = short_names([str(each.path) for each in read])
    if len(read) == 1:  # `metrics.json` alone would not tell which
        path = read[0].path
        names = {str(path): str(Path(*path.absolute().parts[-2:]))}
    return {names[str(each.path)]: each.content for each in read}


def _speed(recording: TrainingHistory, given: int | None, warmup: int) -> dict[str, Any]:
    file, log = recording.path, recording.content
    if log.reports.empty:
        raise BadFileError(
            file, "no iteration's time in it, only evaluations", "--by evaluation shows them"
        )
    facts = read_run_facts(file)
    size, source = _batch_size(given, log, facts)
    one = of_file(file, "pass a smaller --warmup", speeds.throughput, log.reports, size, warmup)
    return {
        "file": str(file),
        "dataset": facts.dataset,
        "window": f"{one.first_iteration} to {one.last_iteration}",
        "iterations": one.num_iterations,
        "restarts": log.num_restarts,
        "batch size": size,
        "batch size from": source,
        "s / iteration (median)": one.iteration_seconds,
        "images/s": one.images_per_second,
        "data wait (%)": one.data_wait_percent,
        **log.accuracy,
    }


def _batch_size(
    given: int | None, log: TrainingLog, facts: RunFacts
) -> tuple[int | None, str | None]:
    """The batch size, and who says it."""
    if given is not None:
        return given, "--batch-size"
    if log.batch_size is not None:
        return log.batch_size, "log"
    return facts.batch_size, facts.source or None


def _evaluations(recording: TrainingHistory) -> pd.DataFrame:
    found = recording.content.evaluations
    if found.empty:
        raise BadFileError(recording.path, "no evaluation in it", "leave --by out")
    wall = found["wall (s)"]
    own = found[["training", "iteration", "dataset"]].copy()
    own["time (min)"] = wall.fillna(found["iterations (s)"]) / 60
    own["clock"] = wall.isna().map({False: "wall time", True: "iterations only"})
    own.loc[found["training"].isna(), "clock"] = None
    return own.join(found[[*OPTIONAL[1:], *metrics_of(found)]])
