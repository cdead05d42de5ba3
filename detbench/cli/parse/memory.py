"""`memory-util`: what memory was used for."""

from __future__ import annotations

from pathlib import Path

import click

from detbench.cli.options import files_argument, format_option, output_option, show
from detbench.cli.parse.refusals import Refusals

_SHOWN = ("category",)  # without --by
_SHOWN_OF_SNAPSHOTS = ("allocator", "module")


@click.command("memory-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(["category", "module", "phase", "batch-size", "allocator"]),
    help="Parts of the peak by category or by module (also at the peaks of forward and backward), "
    "the peak of each phase, files of several batch sizes side by side: bytes per image, and "
    "the fixed part; or peak and end of a snapshot.  [default: category; of snapshots allocator "
    "and module]",
)
@click.option("--phase", help="Only the peak of this phase, such as forward.")
@click.option(
    "--top", type=click.IntRange(1), default=20, show_default=True, help="Number of rows to print."
)
@click.option(
    "--timeline",
    metavar="PNG",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also draw memory over the iterations into this new file.",
)
@click.option(
    "--wide",
    metavar="CSV",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the peak of every iteration to this new file, in the TBD suite's wide form.",
)
@format_option()
@output_option
def memory_util(
    files: tuple[Path, ...],
    level: str | None,
    phase: str | None,
    top: int,
    timeline: Path | None,
    wide: Path | None,
    style: str,
    output: Path | None,
) -> None:
    """Memory: what it was used for when tensors together took the most.

    FILE is a measurement of memory mode (memory_csv_data/memory_bs4.csv; --timeline draws the
    timeline_bs4.csv beside it), the memory CSV of the TBD suite's profiler, torch's memory
    timeline (export_memory_timeline to *.raw.json.gz), or a snapshot of its CUDA allocator
    (torch.cuda.memory._dump_snapshot), whose modules are the lines that allocated.

    \b
    Example:
      python parsers/memory_util.py results/memory_csv_data/memory_bs4.csv --by module
    """
    from detbench.api.files import read
    from detbench.api.memory_tables import (
        allocator_curves,
        memory,
        memory_curves,
        memory_wide,
    )
    from detbench.errors import UsageError
    from detbench.new_file import new_file
    from detbench.reporting.memory_picture import draw
    from detbench.reporting.snapshot_picture import draw_events
    from detbench.utilization.described import NOTE

    refusals = Refusals()
    found = refusals.read(files, lambda file: read(file, "memory"))
    are_snapshots = all("allocator" in each.tables for each in found)
    levels = (level,) if level else _SHOWN_OF_SNAPSHOTS if are_snapshots else _SHOWN
    tables = refusals.tables(
        found,
        lambda found: {name: memory(found, name, phase=phase, top=top) for name in levels},
    )
    if timeline is not None and are_snapshots:
        draw_events(allocator_curves(found), timeline)
    elif timeline is not None:
        draw(memory_curves(found), timeline)
    if wide is not None:
        if len(found) > 1:
            raise UsageError("--wide takes one FILE", "run it once per file")
        rows = memory_wide(found[0])
        with new_file(wide, "--wide") as stream:
            rows.to_csv(stream, index=False, lineterminator="\n")
    show(tables, style, output, in_notes=(NOTE,))
    refusals.finish()
