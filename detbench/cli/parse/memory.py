"""`memory-util`: what memory was used for."""

from __future__ import annotations

from pathlib import Path

import click

from detbench.cli.options import files_argument, format_option, output_option, show
from detbench.cli.parse.progress import reading


@click.command("memory-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(["category", "module", "phase", "batch-size"]),
    default="category",
    show_default=True,
    help="Parts of the peak by category, by module (and at the peaks of forward and backward), "
    "every phase's peak, or files of several batch sizes side by side: bytes an image, and fixed.",
)
@click.option("--phase", help="The peak of this phase alone, such as forward.")
@click.option(
    "--top", type=click.IntRange(1), default=20, show_default=True, help="How many rows to print."
)
@click.option(
    "--timeline",
    metavar="PNG",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw memory over the iterations into this new picture too.",
)
@click.option(
    "--wide",
    metavar="CSV",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write every iteration's peak into this new file too, in the TBD suite's wide form.",
)
@format_option()
@output_option
def memory_util(
    files: tuple[Path, ...],
    level: str,
    phase: str | None,
    top: int,
    timeline: Path | None,
    wide: Path | None,
    style: str,
    output: Path | None,
) -> None:
    """Memory: what it was used for at the moment when tensors together held most.

    FILE is what memory mode left (memory_csv_data/memory_bs4.csv, and timeline_bs4.csv beside
    it, which --timeline draws), the memory CSV of the TBD suite's profiler, or torch's memory
    timeline (export_memory_timeline to *.raw.json.gz).

    \b
    Example:
      python parsers/memory_util.py results/memory_csv_data/memory_bs4.csv --by module
    """
    from detbench.api.files import read
    from detbench.api.memory_tables import memory, memory_curves, memory_wide
    from detbench.errors import UsageError
    from detbench.new_file import new_file
    from detbench.reporting.memory_picture import draw

    with reading(files) as each:
        found = [read(file, "memory") for file in each]
    table = memory(found, level, phase=phase, top=top)
    if timeline is not None:
        draw(memory_curves(found), timeline)
    if wide is not None:
        if len(found) > 1:
            raise UsageError("--wide takes one FILE", "call it once for each")
        rows = memory_wide(found[0])
        with new_file(wide, "--wide") as stream:
            rows.to_csv(stream, index=False, lineterminator="\n")
    show([table], style, output)
