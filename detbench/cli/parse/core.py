"""`core-util`: which cores worked, from Nsight Compute's counters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from detbench.cli.options import files_argument, format_option, output_option, show
from detbench.cli.parse.progress import reading
from detbench.cli.parse.shared import devices_of, of_file, stack
from detbench.errors import BadFileError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from detbench.utilization.core import CoreUtilization


_PERCENT_DIGITS = 5  # what the seed suite's analyzer prints, and scripts cut out


@click.command("core-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(["file", "device", "class", "kernel"]),
    help="One row a file, device, kernel class or kernel name.  [default: file]",
)
@click.option("--device", help="Only the launches on this device.")
@click.option("--top", default=20, show_default=True, help="How many classes or kernels to list.")
@click.option(
    "--timeline",
    type=click.Path(path_type=Path),
    help="A timeline of the same run: shares of wall time are added, by its busy share.",
)
@format_option(default=None)
@output_option
def core_util(
    files: tuple[Path, ...],
    level: str | None,
    device: str | None,
    top: int,
    timeline: Path | None,
    style: str | None,
    output: Path | None,
) -> None:
    """Core utilization: how much FMA, FP16, Tensor and SFU cores worked while kernels ran.

    FILE is what `profile.sh nsight` left: Nsight Compute's CSV (`ncu --csv --log-file FILE`), or
    a report of it (.ncu-rep, needs the package ncu-report). Weighted by each kernel's cycles; idle
    time between kernels is not part of it.

    FILE may also be what `nvprof --metrics` printed: its levels of use, 0 to 10, are shown as such.

    For one file and no option four lines are printed, `fma<TAB>17.50765 %` and so on, for
    scripts; otherwise a table.

    \b
    Examples:
      python parsers/core_util.py results/nsight_bs2.csv
      python parsers/core_util.py results/*/*/nsight_bs*.csv --by class --format md
    """
    from detbench.readers.counters_file import Launches, Levels, read_counters
    from detbench.utilization import core

    with reading(files) as each:
        read = {file: read_counters(file, core.METRICS) for file in each}
    chosen = {file: _on_device(file, found.table, device) for file, found in read.items()}
    if any(isinstance(found, Levels) for found in read.values()):
        if timeline or any(isinstance(found, Launches) for found in read.values()):
            first = next(file for file, found in read.items() if isinstance(found, Levels))
            raise UsageError(f"{first} holds levels, no percentages", "parse it apart")
        _show_levels(chosen, level or "file", top, style or "table", output)
        return
    launches = chosen
    plain = len(files) == 1 and not (level or style or output or timeline)
    if plain:
        _print_four_lines(of_file(files[0], _COLLECT, core.core_utilization, launches[files[0]]))
        return
    busy = None if timeline is None else _busy_share(timeline, device)
    tables = {
        file: of_file(file, _COLLECT, core.by, found, level or "file", top, busy)
        for file, found in launches.items()
    }
    title = "Core utilization, share of kernel cycles"
    if busy is not None:
        title += f"; of wall time: times the {busy:.4g} % that {timeline} is busy"
    show([(title, stack(tables, always=True))], style or "table", output)


def _show_levels(
    read: dict[Path, pd.DataFrame], level: str, top: int, style: str, output: Path | None
) -> None:
    """The levels of nvprof, a table of their own."""
    from detbench.utilization import levels

    tables = {file: levels.by(found, level, top) for file, found in read.items()}
    show([(levels.TITLE, stack(tables))], style, output)


_COLLECT = "collect it: profile.sh nsight"


def _print_four_lines(found: CoreUtilization) -> None:
    from detbench.gpus import counters

    for core in counters.CORES:
        percent = found.percent[core]
        shown = "n/a" if percent is None else f"{percent:.{_PERCENT_DIGITS}f} %"
        click.echo(f"{core}\t{shown}")
        if percent is None:
            click.echo(f"{core}: {found.reason[core]}", err=True)


def _on_device(file: Path, launches: pd.DataFrame, device: str | None) -> pd.DataFrame:
    if device is None:
        return launches
    found: pd.DataFrame = launches[launches["device"] == device]
    if found.empty:
        known = ", ".join(sorted(launches["device"].unique()))
        raise UsageError(f"{file} has no launch on device '{device}'", f"it has: {known or 'none'}")
    return found


def _busy_share(timeline: Path, device: str | None) -> float:
    """Compute utilization of the one device of a timeline, in percent."""
    from detbench.readers.timeline import KernelSums
    from detbench.readers.timeline_file import read_timeline
    from detbench.utilization import compute

    read = read_timeline(timeline)
    if isinstance(read, KernelSums):
        raise BadFileError(timeline, "a summary, which tells no busy share", "give a timeline")
    found = devices_of(timeline, read, device)
    if len(found) > 1:
        raise UsageError(f"{timeline} has several devices", f"--device: one of {', '.join(found)}")
    return float(compute.by_device(read, found)["busy (%)"].iloc[0])
