"""The verbs about families, models and modes."""

from __future__ import annotations

import click

from detbench.cli.completion import of_modes
from detbench.cli.options import family_argument, format_option, print_table


@click.command()
@format_option()
def families(style: str) -> None:
    """List the families of detectors.

    \b
    Example:
      detbench families
    """
    from detbench.api import suite

    print_table(suite.families(), style)


@click.command()
@family_argument()
@format_option()
def models(family: str, style: str) -> None:
    """List the models of a FAMILY, their frameworks and their training schedules.

    \b
    Example:
      detbench models maskrcnn
    """
    from detbench.api import suite

    print_table(suite.models(family), style)


@click.command()
@family_argument()
@click.argument("mode", shell_complete=of_modes)
def switch(family: str, mode: str) -> None:
    """Choose the MODE that the next runs of a FAMILY are done in.

    \b
    noprofile  nothing attached: throughput and accuracy
    nvprof     GPU timeline, for compute utilization
    nsight     Nsight Compute counters, for core utilization
    memory     where the memory goes
    torch      PyTorch profiler trace
    dlprof     DLProf reports
    \b
    Example:
      detbench switch maskrcnn memory
    """
    from detbench.api import suite

    chosen = suite.switch(family, mode)
    click.echo(f"{family}: mode {chosen.name} ({chosen.summary})")


@click.command()
@format_option()
def status(style: str) -> None:
    """Show each family's switched mode and its newest run.

    \b
    Example:
      detbench status
    """
    from detbench.api import suite

    table = suite.status()
    print_table(table, style, f"results in {table.attrs['results']}")
