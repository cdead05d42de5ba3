"""The verb that finds out which batch sizes of which models train here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from detbench.cli.options import print_table
from detbench.cli.run_options import sweep_options

if TYPE_CHECKING:
    from detbench.api.sweeping import Swept


@click.command()
@sweep_options
def sweep(
    family: str,
    modes: str,
    dry_run: bool,
    style: str,
    **options: Any,
) -> None:
    """Fill the matrix of a FAMILY's models and batch sizes: what trains here, and how fast.

    As few runs as decide it: a batch size that trains decides all smaller ones, one that runs out
    of memory all larger ones. Every run is a process or container of its own. What the results
    hold already is not run again, so that the same command goes on where it stopped; two at once
    on the same results share the work. With --memory-limit on a CPU the GPU profile is called
    after it, cpu-900MiB.

    \b
    Examples:
      detbench sweep faster_rcnn --models fpn --batch-sizes 2,4,8,16 --dry-run
      detbench sweep maskrcnn --device cpu --memory-limit 2g --batch-sizes 4,16,64
    """
    from detbench.api import sweeping
    from detbench.cli.progress import RunEvents

    with RunEvents() as on_event:
        swept = sweeping.sweep(
            family, modes.split(","), dry_run=dry_run, on_event=on_event, **options
        )
    _print(swept, style, swept.plan if dry_run else f"What trains on {swept.gpu_profile}")
    if swept.table is not None:
        click.echo(f"kept in {swept.table}", err=True)
    if swept.why_no_picture:
        click.echo(f"no picture: {swept.why_no_picture}", err=True)
    if swept.problem is not None:
        raise swept.problem


def _print(swept: Swept, style: str, title: str) -> None:
    if style in ("csv", "json"):
        print_table(swept.cells, style)
        return
    print_table(swept.grid, style, title)
    for line in swept.causes:
        click.echo(line)
