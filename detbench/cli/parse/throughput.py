"""`throughput-util`: throughput, accuracy and time-to-train from a training's own log."""

from __future__ import annotations

from pathlib import Path

import click

from detbench.cli.options import files_argument, format_option, output_option, show, targets
from detbench.cli.parse.refusals import Refusals
from detbench.errors import UsageError


@click.command("throughput-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(["file", "evaluation"]),
    help="One row per file, with throughput, or per evaluation, with AP.  [default: file; of logs"
    " in which nothing was trained evaluation]",
)
@click.option(
    "--target",
    help="Show when AP in percent was reached, such as box=37.7,mask=33.9; one row per training.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also draw losses, learning rate and AP into this new PNG file.",
)
@click.option(
    "--batch-size", type=click.IntRange(1), help="Images per iteration, if the log lacks it."
)
@click.option(
    "--warmup",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Iterations to exclude at the start.",
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
    """Throughput from a training's own log, warm-up excluded; AP over time; time-to-train.

    FILE is the `metrics.json` or `log.txt` of detectron2 or of a detbench run, maskrcnn-benchmark's
    log.txt, or mmdetection's log, text or JSON. If the log lacks the batch size, it is taken from
    run.json or config.yaml beside it. metrics.json has medians only: images/s (median).

    \b
    Examples:
      python parsers/throughput.py results/cpu/*noprofile*/metrics.json
      python parsers/throughput.py log.txt --by evaluation --plot curve.png
      python parsers/throughput.py log.txt --target box=37.7,mask=33.9
    """
    from detbench.api.files import read
    from detbench.api.histories import (
        MEASURED,
        OPTIONAL,
        evaluations,
        has_iterations,
        throughput,
        time_to_train,
        training_curves,
    )
    from detbench.reporting.training_curve import draw

    if level and target:
        raise UsageError("--target has a table of its own", "omit --by")
    goals = None if target is None else targets(target)
    refusals = Refusals()
    logs = refusals.read(files, lambda file: read(file, "training history"))
    if goals is not None:
        table = refusals.tables(logs, lambda logs: time_to_train(logs, goals))
    elif level == "evaluation" or (level is None and not has_iterations(logs)):
        table = refusals.tables(logs, evaluations)
    else:
        table = refusals.tables(
            logs, lambda logs: throughput(logs, batch_size=batch_size, warmup=warmup)
        )
    if style in ("table", "md"):  # print no columns that all logs lack
        lacking = [c for c in (*OPTIONAL, *MEASURED) if c in table and table[c].isna().all()]
        table = table.drop(columns=lacking)
    if plot is not None:
        draw(training_curves(logs), plot)
    show({"throughput": table}, style, output)
    refusals.finish()
