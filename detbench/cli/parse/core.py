"""`core-util`: which cores worked, from Nsight Compute's counters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from detbench.cli.completion import of_gpu_profiles
from detbench.cli.options import files_argument, format_option, output_option, show
from detbench.cli.parse.refusals import Refusals

if TYPE_CHECKING:
    import pandas as pd

_PERCENT_DIGITS = 5  # as in the seed suite's analyzer, whose output scripts parse


@click.command("core-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(["file", "device", "class", "kernel", "roofline"]),
    help="One row per file, device, kernel class or kernel name; roofline: operations and memory"
    " traffic by class.  [default: file]",
)
@click.option("--device", help="Only the launches on this device.")
@click.option("--top", default=20, show_default=True, help="Number of classes or kernels to list.")
@click.option(
    "--timeline",
    type=click.Path(path_type=Path),
    help="A timeline of the same run; its busy share adds shares of wall time.",
)
@click.option(
    "--gpu-profile",
    "gpu",
    shell_complete=of_gpu_profiles,
    help="The GPU, for the shares of its peaks in --by roofline.",
)
@format_option(default=None)
@output_option
def core_util(
    files: tuple[Path, ...],
    level: str | None,
    device: str | None,
    top: int,
    timeline: Path | None,
    gpu: str | None,
    style: str | None,
    output: Path | None,
) -> None:
    """Core utilization: how much FMA, FP16, Tensor and SFU cores worked while kernels ran.

    FILE is a measurement of `profile.sh nsight`: Nsight Compute's CSV (`ncu --csv --log-file
    FILE`) or its report (.ncu-rep, needs the package ncu-report). Kernels are weighted by their
    cycles; idle time between kernels is excluded.

    FILE may also be the output of `nvprof --metrics`; its levels of use, 0 to 10, are kept.

    For one file without options, four lines such as `fma<TAB>17.50765 %` are printed, for scripts;
    otherwise a table.

    \b
    Examples:
      python parsers/core_util.py results/nsight_bs2.csv
      python parsers/core_util.py results/*/*/nsight_bs*.csv --by class --format md
    """
    from detbench.api.files import read
    from detbench.api.utilization import core_utilization
    from detbench.utilization.described import NOTE, REASON

    refusals = Refusals()
    found = refusals.read(files, lambda file: read(file, "counters"))
    table = refusals.tables(
        found,
        lambda found: core_utilization(
            found, level or "file", device=device, top=top, timeline=timeline, gpu=gpu
        ),
    )
    is_plain = len(files) == 1 and not (level or style or output or timeline)
    if is_plain and "levels" not in found[0].tables:
        _print_four_lines(table)
    else:
        show({"cores": table}, style or "table", output, in_notes=(REASON, NOTE))
    refusals.finish()


def _print_four_lines(table: pd.DataFrame) -> None:
    """Print one line per core, for scripts; reasons for missing values go to stderr."""
    import pandas as pd

    from detbench.gpus.counters import CORES

    notes = list(table.attrs["notes"])
    for core in CORES:
        percent = table[f"{core} (%)"].iloc[0]
        shown = "n/a" if pd.isna(percent) else f"{percent:.{_PERCENT_DIGITS}f} %"
        click.echo(f"{core}\t{shown}")
        for note in [note for note in notes if note.startswith(f"{core}:")]:
            click.echo(note, err=True)
            notes.remove(note)
        if pd.isna(percent):
            for name in map(str, table.columns):
                if (
                    name.startswith(f"{core} ")
                    and name.endswith(" (%)")
                    and pd.notna(beside := table[name].iloc[0])
                ):
                    told = f"{name.removesuffix(' (%)')} {beside:.4g} %"
                    click.echo(f"{told}: --format table shows it", err=True)
    for note in notes:
        click.echo(note, err=True)
