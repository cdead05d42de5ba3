"""`report`: one HTML page about runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

_MIB = 1 << 20


@click.command()
@click.argument("results", nargs=-1, type=click.Path(path_type=Path), metavar="[RESULTS]...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    help="The page, a new file.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="A results folder to compare these runs with, as `detbench compare` does.",
)
def report(results: tuple[Path, ...], output: Path, against: Path | None) -> None:
    """Write one self-contained HTML page about runs; it needs no network and can be mailed.

    RESULTS are results folders or folders of single runs; by default, the default results folder.
    A measurement that cannot be read is left out, and the page says why.

    \b
    Examples:
      detbench report
      detbench report results/A100D-2-20C results/A100D-7-80C -o slices.html
      detbench report results-after --against results-before -o change.html
    """
    from detbench.api.kept import report as make_report

    begun = time.monotonic()
    page = make_report(
        results,
        output,
        against=against,
        on_event=_say,
    )
    for line in page.left_out:
        click.echo(f"report: left out: {line}", err=True)
    seconds = time.monotonic() - begun
    size = page.num_bytes / _MIB
    click.echo(f"{page.path}: {page.num_runs} runs, {size:.1f} MiB, {seconds:.1f} s")


def _say(event: Mapping[str, Any]) -> None:
    if event["event"] == "found":
        click.echo(f"report: {event['runs']} runs", err=True)
    else:
        click.echo(f"report: reading {event['file']}", err=True)
