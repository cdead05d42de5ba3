"""`monitor-util`: what was sampled beside a run, or by nvidia-smi."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from detbench.cli.options import files_argument, format_option, output_option, show
from detbench.cli.parse.progress import reading
from detbench.cli.parse.shared import stack
from detbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


@click.command("monitor-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(["gpu", "quantity"]),
    help="One row a GPU, or a GPU and quantity; without it, both tables.",
)
@click.option("--device", help="Only this GPU, as the file calls it, or host.")
@format_option()
@output_option
def monitor_util(
    files: tuple[Path, ...],
    level: str | None,
    device: str | None,
    style: str,
    output: Path | None,
) -> None:
    """Monitoring: each GPU's utilization, memory, power, clocks and temperature, and the host's.

    FILE is a run's monitoring.csv, or what `nvidia-smi --query-gpu=... --format=csv -l 1` or
    `nvidia-smi dmon` printed.

    \b
    Example:
      python parsers/monitor_util.py monitoring.csv --by quantity
    """
    from detbench.readers.monitoring import read_monitoring
    from detbench.utilization import monitor

    if level is None and style in ("csv", "json"):
        level = "quantity"
    with reading(files) as each:
        samples = {file: _of_gpu(file, read_monitoring(file), device) for file in each}
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


def _of_gpu(file: Path, samples: pd.DataFrame, device: str | None) -> pd.DataFrame:
    if device is None:
        return samples
    own: pd.DataFrame = samples[samples["gpu"] == device]
    if own.empty:
        known = ", ".join(samples["gpu"].unique())
        raise UsageError(f"{file} has no GPU '{device}'", f"it has: {known}")
    return own
