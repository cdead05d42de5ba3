"""`throughput-util`: the speed that a training's own log tells, and its way to accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from detbench.cli.files import short_names
from detbench.cli.options import files_argument, format_option, output_option, show, targets
from detbench.cli.parse.progress import reading
from detbench.cli.parse.shared import of_file, stack
from detbench.errors import BadFileError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from detbench.readers.run_facts import RunFacts
    from detbench.readers.training_log import TrainingLog

_OPTIONAL = (  # columns of evaluations that are left out for the eye where no log tells them
    "dataset",
    "evaluation (s)",
    "inference (s/img)",
    "inference (s/batch)",
    "devices",
)


@click.command("throughput-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(["file", "evaluation"]),
    help="One row a file: throughput; or an evaluation: AP.  [default: file]",
)
@click.option(
    "--target",
    help="When AP in percent was reached, such as box=37.7,mask=33.9; one row a training.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw losses, learning rate and AP into this new PNG too.",
)
@click.option(
    "--batch-size", type=click.IntRange(1), help="Images an iteration, where nothing tells it."
)
@click.option(
    "--warmup",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Iterations at the start that do not count.",
)
@format_option()
@output_option
def throughput_util(
    files: tuple[Path, ...],
    level: str | None,
    target: str | None,
    plot: Path | None,
    batch_size: int | None,
    warmup: int,
    style: str,
    output: Path | None,
) -> None:
    """Throughput from a training's own log, warm-up excluded; AP over time; time to train.

    FILE is detectron2's `metrics.json` or `log.txt`, or a detbench run's. A batch size that the
    log does not tell is taken from run.json or config.yaml beside it.

    \b
    Examples:
      python parsers/throughput.py results/cpu/*noprofile*/metrics.json
      python parsers/throughput.py log.txt --by evaluation --plot curve.png
      python parsers/throughput.py log.txt --target box=37.7,mask=33.9
    """
    from detbench.readers.training_log import read_training_log

    if level and target:
        raise UsageError("--target has a table of its own", "leave --by out")
    goals = None if target is None else targets(target)
    with reading(files) as each:
        logs = {file: read_training_log(file) for file in each}
    if goals is not None:
        title = "Time to train, to the first evaluation that met the target"
        table = _time_to_train(logs, goals)
    elif level == "evaluation":
        title, table = "Evaluations, AP in percent", _evaluations(logs, style)
    else:
        title = "Throughput from the training's reports, warm-up excluded"
        table = _throughput(logs, batch_size, warmup)
    if plot is not None:
        _plot(logs, plot)
    show([(title, table)], style, output)


def _throughput(logs: dict[Path, TrainingLog], batch_size: int | None, warmup: int) -> pd.DataFrame:
    import pandas as pd

    from detbench.readers.run_facts import read_run_facts
    from detbench.utilization import throughput as speed

    rows = []
    for file, log in logs.items():
        if log.reports.empty:
            raise BadFileError(
                file, "no iteration's time in it, only evaluations", "--by evaluation shows them"
            )
        facts = read_run_facts(file)
        size, source = _batch_size(batch_size, log, facts)
        one = of_file(file, "pass a smaller --warmup", speed.throughput, log.reports, size, warmup)
        rows.append(
            {
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
        )
    table = pd.DataFrame(rows).astype({"batch size": "Int64"})
    return table.drop(columns="dataset") if table["dataset"].isna().all() else table


def _batch_size(
    given: int | None, log: TrainingLog, facts: RunFacts
) -> tuple[int | None, str | None]:
    """The batch size, and who says it."""
    if given is not None:
        return given, "--batch-size"
    if log.batch_size is not None:
        return log.batch_size, "log"
    return facts.batch_size, facts.source or None


def _evaluations(logs: dict[Path, TrainingLog], style: str) -> pd.DataFrame:
    from detbench.readers.training_log import metrics_of

    tables = {}
    for file, log in logs.items():
        found = log.evaluations
        if found.empty:
            raise BadFileError(file, "no evaluation in it", "leave --by out")
        wall = found["wall (s)"]
        own = found[["training", "iteration", "dataset"]].copy()
        own["time (min)"] = wall.fillna(found["iterations (s)"]) / 60
        own["clock"] = wall.isna().map({False: "wall time", True: "iterations only"})
        own.loc[found["training"].isna(), "clock"] = None
        tables[file] = own.join(found[[*_OPTIONAL[1:], *metrics_of(found)]])
    table = stack(tables)
    if style in ("table", "md"):
        return table.drop(columns=[c for c in _OPTIONAL if table[c].isna().all()])
    return table


def _time_to_train(logs: dict[Path, TrainingLog], goals: dict[str, float]) -> pd.DataFrame:
    from detbench.utilization.time_to_train import time_to_train

    hint = "--by evaluation shows what it has"
    return stack(
        {file: of_file(file, hint, time_to_train, log, goals) for file, log in logs.items()}
    )


def _plot(logs: dict[Path, TrainingLog], path: Path) -> None:
    from detbench.reporting.training_curve import draw

    for file, log in logs.items():
        if log.reports.empty:
            raise BadFileError(file, "no iteration in it: no curve to draw", "leave --plot out")
    names = short_names([str(file) for file in logs])
    if len(logs) == 1:  # `metrics.json` alone would not tell which
        names = {str(file): str(Path(*file.absolute().parts[-2:])) for file in logs}
    draw({names[str(file)]: log for file, log in logs.items()}, path)
