"""`monitor-util`: what nvidia-smi sampled."""

from __future__ import annotations

from pathlib import Path

import click

from detbench.cli.options import files_argument, format_option, output_option, show
from detbench.cli.parse.progress import reading
from detbench.cli.parse.shared import stack


@click.command("monitor-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(["gpu", "quantity"]),
    help="One row a GPU, or a GPU and quantity; without it, both tables.",
)
@format_option()
@output_option
def monitor_util(
    files: tuple[Path, ...], level: str | None, style: str, output: Path | None
) -> None:
    """Monitoring: each GPU's utilization, memory, power, clocks and temperature over a run.

    FILE is what `nvidia-smi --query-gpu=... --format=csv -l 1` or `nvidia-smi dmon` printed.

    \b
    Example:
      python parsers/monitor_util.py gpu.csv --by quantity
    """
    from detbench.readers.monitoring import read_monitoring
    from detbench.utilization import monitor

    if level is None and style in ("csv", "json"):
        level = "quantity"
    with reading(files) as each:
        samples = {file: read_monitoring(file) for file in each}
    make = {
        "quantity": ("What was sampled, every sample weighing the same", monitor.by_quantity),
        "gpu": ("Each GPU", monitor.by_gpu),
    }
    shown = [
        (title, stack({file: function(found) for file, found in samples.items()}))
        for name, (title, function) in make.items()
        if level in (None, name)
    ]
    show(shown, style, output)
