"""`memory-util`: what memory was used for."""

from __future__ import annotations

from pathlib import Path

import click

from detbench.cli.options import files_argument, format_option, output_option, show
from detbench.cli.parse.progress import reading
from detbench.cli.parse.shared import stack


@click.command("memory-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(["category", "module", "phase"]),
    default="category",
    show_default=True,
    help="Parts of the peak by category or module, or every phase's peak.",
)
@click.option("--top", default=20, show_default=True, help="How many rows to print.")
@format_option()
@output_option
def memory_util(
    files: tuple[Path, ...], level: str, top: int, style: str, output: Path | None
) -> None:
    """Memory: what it was used for at the moment of the highest peak.

    FILE is what memory mode left (memory_csv_data/memory_bs4.csv), the memory CSV of the TBD
    suite's profiler, or torch's memory timeline (export_memory_timeline to *.raw.json.gz).

    \b
    Example:
      python parsers/memory_util.py results/memory_csv_data/memory_bs4.csv --by module
    """
    import pandas as pd

    from detbench.readers.memory_file import read_memory
    from detbench.utilization import memory

    with reading(files) as each:
        read = {file: read_memory(file) for file in each}
    tables, titles = {}, []
    for file, parts in read.items():
        tables[file] = memory.by(parts, level).head(top)
        at = memory.peak(parts)
        total = at["bytes"].sum() / 2**20
        first = at.iloc[0]
        known = "" if pd.isna(first["iteration"]) else f"in iteration {first['iteration']}, "
        titles.append(f"{total:,.1f} MiB {known}{first['phase']}")
    kind = "Peak of each phase" if level == "phase" else "At the peak"
    show([(f"{kind}: {'; '.join(titles)}", stack(tables))], style, output)
