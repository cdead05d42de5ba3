"""`monitor-util`: samples taken during a run, or by nvidia-smi."""

from __future__ import annotations

from pathlib import Path

import click

from detbench.cli.options import files_argument, format_option, output_option, show
from detbench.cli.parse.refusals import Refusals

_SHOWN = ("quantity", "gpu")  # without --by


@click.command("monitor-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(["gpu", "quantity"]),
    help="One row per GPU, or per GPU and quantity.  [default: both tables]",
)
@click.option("--device", help="Only this GPU, by its name in the file, or host.")
@click.option(
    "--columns",
    metavar="NAME,...",
    help="The columns of a FILE without a header: timestamp,index,utilization.gpu,power.draw.",
)
@format_option()
@output_option
def monitor_util(
    files: tuple[Path, ...],
    level: str | None,
    device: str | None,
    columns: str | None,
    style: str,
    output: Path | None,
) -> None:
    """Monitoring: utilization, memory, power, clocks and temperature per GPU, and the host's load.

    FILE is a run's monitoring.csv, or the output of `nvidia-smi --query-gpu=... --format=csv -l 1`,
    `nvidia-smi dmon`, `nvidia-smi pmon` (summed over the processes of each moment) or `dcgmi dmon`.

    \b
    Example:
      python parsers/monitor_util.py monitoring.csv --by quantity
    """
    from detbench.api.files import read
    from detbench.api.samples import monitoring

    names = columns.split(",") if columns else None
    refusals = Refusals()
    found = refusals.read(files, lambda file: read(file, "monitoring", columns=names))
    levels = (level,) if level else _SHOWN[:1] if style == "csv" else _SHOWN
    tables = refusals.tables(
        found,
        lambda found: {name: monitoring(found, name, device=device) for name in levels},
    )
    show(tables, style, output)
    refusals.finish()
