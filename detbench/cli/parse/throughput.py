"""`throughput`: the speed that a training's own log tells."""

from __future__ import annotations

from pathlib import Path

import click

from detbench.cli.options import files_argument, format_option, output_option, show
from detbench.cli.parse.shared import of_file


@click.command("throughput")
@files_argument
@click.option(
    "--batch-size", type=click.IntRange(1), help="Images an iteration, where the log has it not."
)
@click.option(
    "--warmup", default=20, show_default=True, help="Iterations at the start that do not count."
)
@format_option()
@output_option
def throughput(
    files: tuple[Path, ...], batch_size: int | None, warmup: int, style: str, output: Path | None
) -> None:
    """Throughput from a training's own log, warm-up excluded.

    FILE is detectron2's `metrics.json` or `log.txt`, or a detbench run's.

    \b
    Example:
      python parsers/throughput.py results/cpu/*noprofile*/metrics.json --batch-size 4
    """
    import pandas as pd

    from detbench.readers.training_log import read_training_log
    from detbench.utilization import throughput as speed

    rows = []
    for file in files:
        log = read_training_log(file)
        size = batch_size or log.batch_size
        one = of_file(file, "pass a smaller --warmup", speed.throughput, log.reports, size, warmup)
        rows.append(
            {
                "file": str(file),
                "window": f"{one.first_iteration} to {one.last_iteration}",
                "iterations": one.num_iterations,
                "restarts": log.num_restarts,
                "batch size": size,
                "s / iteration (median)": one.iteration_seconds,
                "images/s": one.images_per_second,
                "data wait (%)": one.data_wait_percent,
                **log.accuracy,
            }
        )
    table = pd.DataFrame(rows).astype({"batch size": "Int64"})
    show([("Throughput from the training's reports, warm-up excluded", table)], style, output)
