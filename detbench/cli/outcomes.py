"""Prints the outcomes of runs, and raises for the exit code of failed ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from detbench.cli.options import print_table
from detbench.errors import RunFailedError

if TYPE_CHECKING:
    from detbench.records.store import Run
    from detbench.running.session import Commands


def print_commands(found: Commands) -> None:
    """Print one line per command, and notes to stderr."""
    for note in found.notes:
        click.echo(note, err=True)
    for line in found.lines:
        click.echo(line)


def print_runs(runs: Sequence[Run], style: str) -> None:
    """Print one row per run, and in print formats where each is kept."""
    from detbench.reporting.run_summaries import outcome_table

    table = outcome_table(runs)
    if style in ("table", "md"):  # what is long or seldom looked at stands in run.json
        table = table.drop(columns=["run", *(c for c in table if str(c).endswith("AP75"))])
        table = table.drop(columns=[c for c in table if table[c].isna().all()])
    print_table(table, style)
    print_folders(runs, style)


def print_folders(runs: Sequence[Run], style: str) -> None:
    """Print where runs are kept, in print formats only."""
    for run in runs if style in ("table", "md") else ():
        click.echo(f"kept in {min(os.path.relpath(run.folder), str(run.folder), key=len)}")


def fail_on_bad(runs: Sequence[Run]) -> None:
    """Raise if a run did not succeed.

    Raises:
        RunFailedError: naming the first such run and its cause.
    """
    bad = [run for run in runs if run.record.status != "ok"]
    if bad:
        folder, record = bad[0]
        more = f" ({len(bad)} of {len(runs)} runs)" if len(bad) > 1 else ""
        raise RunFailedError(
            f"{record.spec.model} batch size {record.spec.batch_size}: {record.status}:"
            f" {record.cause}{more}",
            f"see {folder / 'output.log'}",
        )
