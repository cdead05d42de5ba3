"""`memory-util`: what memory was used for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from detbench.cli.files import short_names
from detbench.cli.options import files_argument, format_option, output_option, show
from detbench.cli.parse.progress import reading
from detbench.cli.parse.shared import stack
from detbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

_TRACK_AGAIN = "track again: bash switch.sh memory && bash run.sh"


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
    from detbench.readers.memory_file import read_memory
    from detbench.utilization import memory

    with reading(files) as each:
        read = {file: _in_phase(file, read_memory(file), phase) for file in each}
    if level == "batch-size":
        title, table = _by_batch_size(read)
    else:
        kind = "Peak of each phase" if level == "phase" else "At the peak"
        title = f"{kind}: {'; '.join(_moment(parts) for parts in read.values())}"
        table = stack({file: memory.by(parts, level).head(top) for file, parts in read.items()})
    if timeline is not None:
        _draw(files, timeline)
    if wide is not None:
        _write_wide(read, wide)
    show([(title, table)], style, output)


def _in_phase(file: Path, parts: pd.DataFrame, phase: str | None) -> pd.DataFrame:
    if phase is None:
        return parts
    own: pd.DataFrame = parts[parts["phase"] == phase]
    if own.empty:
        known = ", ".join(parts["phase"].unique())
        raise UsageError(f"{file} has no phase '{phase}'", f"it has: {known}")
    return own


def _moment(parts: pd.DataFrame) -> str:
    """How much there was at the peak, and when that was."""
    import pandas as pd

    from detbench.utilization import memory

    at = memory.peak(parts)
    total = at["bytes"].sum() / 2**20
    tracked = at["bytes"][memory.is_tracked(at)].sum() / 2**20
    first = at.iloc[0]
    known = "" if pd.isna(first["iteration"]) else f"in iteration {first['iteration']}, "
    inside = "" if tracked == total else f", {tracked:,.1f} of them in tensors"
    return f"{total:,.1f} MiB {known}{first['phase']}{inside}"


def _by_batch_size(read: dict[Path, pd.DataFrame]) -> tuple[str, pd.DataFrame]:
    from detbench.readers.memory_run import read_memory_run
    from detbench.utilization import memory

    found: dict[int, Path] = {}
    models: dict[str, Path] = {}
    for file in read:
        run = read_memory_run(file)
        if run.batch_size is None:
            raise UsageError(
                f"{file} does not tell its batch size",
                "name it memory_bs<N>.csv, or keep it in its run's folder",
            )
        if run.batch_size in found:
            raise UsageError(
                f"{found[run.batch_size]} and {file} both have batch size {run.batch_size}",
                "leave one of them out",
            )
        found[run.batch_size] = file
        if run.model is not None:
            models[run.model] = file
    if len(models) > 1:
        told = ", ".join(f"{file} of {model}" for model, file in models.items())
        raise UsageError(f"these are files of different models: {told}", "compare one model's")
    sizes = sorted(found)
    phases = [memory.peak(read[found[size]])["phase"].iloc[0] for size in sizes]
    title = f"{next(iter(models), 'Memory')} at the peak, by images in a process's batch"
    if len(set(phases)) > 1:
        moves = ", ".join(f"{size}: {phase}" for size, phase in zip(sizes, phases, strict=True))
        title += f"; it moves ({moves}), so no line fits: see --phase"
    return title, memory.by_batch_size({size: read[found[size]] for size in sizes})


def _draw(files: tuple[Path, ...], picture: Path) -> None:
    from detbench.readers import memory_curve
    from detbench.readers.memory_run import read_memory_run
    from detbench.reporting.memory_picture import draw

    names = short_names([str(file) for file in files])
    timelines = {}
    for file in files:
        source = memory_curve.beside(file.resolve())
        if file.name.startswith("timeline_"):
            source = file
        elif not source.is_file():
            raise UsageError(f"--timeline: {file} has no {source.name} beside it", _TRACK_AGAIN)
        run = read_memory_run(file)
        known = [run.model or "", f"batch size {run.batch_size}" if run.batch_size else ""]
        title = ", ".join(part for part in (*known, names[str(file)]) if part)
        timelines[title] = memory_curve.read_memory_curve(source)
    draw(timelines, picture)


def _write_wide(read: dict[Path, pd.DataFrame], target: Path) -> None:
    from detbench.utilization.memory_wide import wide

    if len(read) > 1:
        raise UsageError("--wide takes one FILE", "call it once for each")
    ((file, parts),) = read.items()
    if not parts["phase"].isin(("data", "forward", "backward", "optimizer")).all():
        raise UsageError(f"--wide: {file} is no memory CSV of detbench", _TRACK_AGAIN)
    try:
        with target.open("x", encoding="utf-8") as stream:  # never over a file that is there
            wide(parts).to_csv(stream, index=False, lineterminator="\n")
    except OSError as error:
        raise UsageError(
            f"--wide {target} cannot be written: {error.strerror}", "name a new file"
        ) from error
