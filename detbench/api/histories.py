"""Tables from training logs: throughput, evaluations, time-to-train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from detbench.api.files import Files, Recording, TrainingHistory, recordings
from detbench.api.tables import joined, of_file, short_names, stack
from detbench.errors import BadFileError
from detbench.readers.run_facts import RunFacts, read_run_facts
from detbench.readers.training_log import TrainingLog, metrics_of
from detbench.utilization import throughput as speeds
from detbench.utilization import time_to_train as times
from detbench.utilization.described import described

WARM_UP = 20  # iterations
OPTIONAL = (
    "dataset", "evaluation (s)", "inference (s/img)", "inference (s/batch)", "devices",
    "pure compute (s/img)", "pure compute (s/batch)",
)  # fmt: skip
"""Columns of `evaluations` that a log may lack."""
MEASURED = (
    "s / iteration (mean)", "s / iteration (median)", "images/s (median)", "pauses (min)",
    "data wait (%)", "data wait, median (%)",
)  # fmt: skip
"""Columns of `throughput` that a log may lack: it has means or medians."""


def throughput(
    files: Files, *, batch_size: int | None = None, warmup: int | None = None
) -> pd.DataFrame:
    """Images per second from a training's own reports, warm-up excluded: one row per file.

    The ratio of sums: images / time of the reported iterations (docs/metrics.md, "Throughput").
    `J/image` is that of the run's own window, from `run.json` beside the log.
    Where a log has medians only, `images/s` is missing and `images/s (median)` stands for it.

    Args:
        files: logs of detectron2, detbench, maskrcnn-benchmark or mmdetection: paths or
            recordings.
        batch_size: images per iteration; None takes it from the log, or from `run.json` or
            `config.yaml` beside it.
        warmup: iterations to exclude at the start of each process; None means 20.

    Raises:
        BadFileError: a file cannot be read, or has no iteration time after the warm-up.
    """
    left_out = WARM_UP if warmup is None else warmup
    read = recordings(files, TrainingHistory, "training history")
    rows = [_speed(each, batch_size, left_out) for each in read]
    table = pd.DataFrame(rows).astype({"batch size": "Int64", "J/image": "float64"})
    if table["dataset"].isna().all():
        table = table.drop(columns="dataset")
    unknown = table["file"][table["batch size"].isna()]
    medians = [each.path for each in read if not each.content.has_means]
    return described(
        table,
        kind="throughput",
        title="Throughput from the training's reports, warm-up excluded",
        window=joined(f"iterations {window}" for window in table["window"]),
        denominator="images / time of the reported iterations",
        count=f"{int(table['iterations'].sum()):,} iterations",
        notes=[
            *(
                f"images/s is n/a: the batch size of {file} is unknown; name it: --batch-size N"
                for file in unknown
            ),
            *(
                f"{file} has medians of 20 iterations and no mean, which images/s is made of:"
                " log.txt of the training has it"
                for file in medians
            ),
            *_notes(read),
        ],
    )


def _notes(read: list[TrainingHistory]) -> list[str]:
    return [f"{each.path}: {note}" for each in read for note in each.content.notes]


def has_iterations(logs: Sequence[Recording]) -> bool:
    """Whether something was trained in any of these logs."""
    read = recordings(logs, TrainingHistory, "training history")
    return any(not each.content.reports.empty for each in read)


def evaluations(files: Files) -> pd.DataFrame:
    """The accuracy over a training: one row per evaluation, AP in percent.

    Raises:
        BadFileError: a file cannot be read, or contains no evaluation.
    """
    read = recordings(files, TrainingHistory, "training history")
    table = stack({each.path: _evaluations(each) for each in read})
    return described(
        table,
        kind="evaluations",
        title="Evaluations, AP in percent",
        window=joined(each.window for each in read),
        denominator="the whole val split",
        count=f"{len(table):,} evaluations",
        notes=[
            *(each.content.no_wall for each in read if each.content.no_wall),
            *(
                f"{each.path}: nothing was trained in it, so there is no throughput to tell"
                for each in read
                if each.content.reports.empty
            ),
            *(
                f"{each.path}: no AP in it"
                for each in read
                if not metrics_of(each.content.evaluations)
            ),
            *_notes(read),
        ],
    )


def time_to_train(files: Files, target: Mapping[str, float]) -> pd.DataFrame:
    """The time each training took to the first evaluation that met the target, in minutes.

    Args:
        files: training logs: paths or recordings.
        target: the percentage each metric has to reach: `{"box AP": 37.7}`; a single word
            (`box`) stands for its AP.

    Raises:
        BadFileError: a file cannot be read, or has no evaluation with such a metric.
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
        title="Time-to-train, up to the first evaluation that met the target",
        window="from a training's start to the evaluation that met the whole target",
        denominator="wall time, evaluations included, pauses excluded; see the column clock",
        count=f"{len(table):,} trainings",
        notes=[
            *(each.content.no_wall for each in read if each.content.no_wall),
            *_notes(read),
        ],
    )


def training_curves(files: Files) -> dict[str, TrainingLog]:
    """The logs to draw curves from, by a short name for each.

    Raises:
        BadFileError: a file cannot be read, or contains no iteration.
    """
    read = recordings(files, TrainingHistory, "training history")
    for each in read:
        if each.content.reports.empty:
            raise BadFileError(each.path, "contains no iteration: no curve to draw", "omit --plot")
    names = short_names([str(each.path) for each in read])
    if len(read) == 1:  # `metrics.json` alone would not say which run
        path = read[0].path
        names = {str(path): str(Path(*path.absolute().parts[-2:]))}
    return {names[str(each.path)]: each.content for each in read}


def _speed(recording: TrainingHistory, given: int | None, warmup: int) -> dict[str, Any]:
    file, log = recording.path, recording.content
    if log.reports.empty:
        raise BadFileError(
            file, "contains evaluations but no iteration times", "--by evaluation shows them"
        )
    facts = read_run_facts(file)
    size, source = _batch_size(given, log, facts)
    one = of_file(file, "pass a smaller --warmup", speeds.throughput, log, size, warmup)
    return {
        "file": str(file),
        "dataset": facts.dataset,
        "window": f"{one.first_iteration} to {one.last_iteration}",
        "iterations": one.num_iterations,
        "untimed iterations": one.num_untimed,
        "restarts": log.num_restarts,
        "pauses (min)": log.pauses / 60,
        "batch size": size,
        "batch size source": source,
        "s / iteration (mean)": one.mean_seconds,
        "s / iteration (median)": one.median_seconds,
        "images/s": one.images_per_second,
        "J/image": facts.joules_per_image,
        "images/s (median)": one.images_per_median_second,
        "data wait (%)": one.data_wait_percent,
        "data wait, median (%)": one.data_wait_median_percent,
        **log.accuracy,
    }


def _batch_size(
    given: int | None, log: TrainingLog, facts: RunFacts
) -> tuple[int | None, str | None]:
    """The batch size and its source."""
    if given is not None:
        return given, "--batch-size"
    if log.batch_size is not None:
        return log.batch_size, "log"
    return facts.batch_size, facts.source or None


def _evaluations(recording: TrainingHistory) -> pd.DataFrame:
    found = recording.content.evaluations
    if found.empty:
        raise BadFileError(recording.path, "contains no evaluation", "omit --by")
    wall = found["wall (s)"]
    own = found[["training", "iteration", "dataset"]].copy()
    own["time (min)"] = wall.fillna(found["iterations (s)"]) / 60
    own["clock"] = wall.isna().map({False: "wall time", True: "iterations only"})
    own.loc[found["training"].isna(), "clock"] = None
    return own.join(found[[*OPTIONAL[1:], *metrics_of(found)]])
