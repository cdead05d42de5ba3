"""`report`: the page that shows what runs measured."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from detbench.errors import MissingError, UsageError

if TYPE_CHECKING:
    from detbench.records.spec import RunRecord

_MIB = 1 << 20


@click.command()
@click.argument("results", nargs=-1, type=click.Path(path_type=Path), metavar="[RESULTS]...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    help="A new file.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="A results folder that the page compares these runs with, as `detbench compare` does.",
)
def report(results: tuple[Path, ...], output: Path, against: Path | None) -> None:
    """Make one HTML page of runs, which opens without a network and can be mailed.

    RESULTS are results folders or folders of single runs; without any, where runs are kept by
    default. A measurement that cannot be read is left out, and the page says why.

    \b
    Examples:
      detbench report
      detbench report results/A100D-2-20C results/A100D-7-80C -o slices.html
      detbench report results-after --against results-before -o change.html
    """
    from datetime import datetime, timezone

    from detbench.reporting.measurements import Runs
    from detbench.reporting.page import build
    from detbench.reporting.sections import SECTIONS

    begun = time.monotonic()
    if os.path.lexists(output):
        raise UsageError(f"--output {output} exists already", "name a new file")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder {output.parent}", "make it first")
    found, unreadable = _runs(results)
    click.echo(f"report: {len(found)} runs", err=True)
    makers = list(SECTIONS)
    if against is not None:
        from detbench.comparison.sides import read_side
        from detbench.reporting.sections import comparison

        makers.insert(1, comparison.against(read_side(against)))
    runs = Runs(found, say=lambda file: click.echo(f"report: reading {file}", err=True))
    made = datetime.now(timezone.utc)
    page = build(runs, unreadable, output.absolute().parent, made, makers)
    data = page.encode("utf-8", "backslashreplace")  # names of files need not be Unicode
    try:
        with output.open("xb") as stream:  # never over a file that is there
            stream.write(data)
    except OSError as error:
        raise UsageError(
            f"--output {output} cannot be written: {error.strerror}", "name a new file"
        ) from error
    for line in unreadable:
        click.echo(f"report: left out: {line}", err=True)
    seconds = time.monotonic() - begun
    click.echo(f"{output}: {len(found)} runs, {len(data) / _MIB:.1f} MiB, {seconds:.1f} s")


def _runs(given: tuple[Path, ...]) -> tuple[list[tuple[Path, RunRecord]], list[str]]:
    """The runs in folders, oldest first and each once, and a line for each that is unreadable.

    Raises:
        UsageError: a folder does not exist.
        MissingError: there is no run in any of them.
    """
    from detbench.errors import BadFileError
    from detbench.records.store import RECORD, default_root, read_record

    roots = given or (default_root(),)
    found: dict[Path, RunRecord] = {}
    unreadable = []
    for root in roots:
        if not root.is_dir():
            raise UsageError(f"{root} is no folder", "name a results folder, or a run's")
        files = [root / RECORD, *root.glob(f"[!.]*/{RECORD}"), *root.glob(f"*/[!.]*/{RECORD}")]
        for file in files:
            folder = file.parent.resolve()
            if not file.is_file() or folder in found:
                continue
            try:
                found[folder] = read_record(file)
            except BadFileError as error:
                unreadable.append(str(error))
    if not found and not unreadable:
        raise MissingError(
            f"no run in {', '.join(str(root) for root in roots)}",
            "detbench run FAMILY makes one, or bash scripts/quickstart.sh",
        )
    return sorted(found.items(), key=lambda item: (item[1].started, str(item[0]))), unreadable
