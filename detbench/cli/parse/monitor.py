"""`monitor-util`: samples taken during a run, or by nvidia-smi."""

from __future__ import annotations

from pathlib import Path

import click

from detbench.cli.options import files_argument, format_option, output_option, show
from detbench.cli.parse.progress import reading

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
@format_option()
@output_option
def monitor_util(
    files: tuple[Path, ...],
    level: str | None,
    device: str | None,
    style: str,
    output: Path | None,
) -> None:
    """Monitoring: utilization, memory, power, clocks and temperature per GPU, and the host's load.

    FILE is a run's monitoring.csv, or the output of `nvidia-smi --query-gpu=... --format=csv -l 1`
    or `nvidia-smi dmon`.

    \b
    Example:
      python parsers/monitor_util.py monitoring.csv --by quantity
    """
    from detbench.api.files import read
    from detbench.api.samples import monitoring

    with reading(files) as each:
        found = [read(file, "monitoring") for file in each]
    levels = (level,) if level else _SHOWN[:1] if style == "csv" else _SHOWN
    show({name: monitoring(found, name, device=device) for name in levels}, style, output)
