"""The verb `gpus`: the GPUs of this machine, and the catalogue of GPU profiles."""

from __future__ import annotations

import click

from detbench.cli.options import format_option, print_table
from detbench.errors import UsageError


@click.command()
@click.argument("part", default="")
@click.option(
    "--catalogue",
    is_flag=True,
    help="Not this machine, but the known profiles, or those whose name holds PART.",
)
@format_option()
def gpus(part: str, catalogue: bool, style: str) -> None:
    """List the GPUs and MIG instances of this machine, or the catalogue of GPU profiles.

    `index` is what --gpus takes, `GPU` what nvidia-smi says. Nothing is changed: how an
    administrator partitions a GPU stands in docs/mig.md.

    \b
    Examples:
      detbench gpus
      detbench gpus --catalogue A100
    """
    from detbench.api import machine

    for_the_eye = style in ("table", "md")
    if catalogue:
        table = machine.gpu_profiles(part)
        print_table(table.drop(columns="source") if for_the_eye else table, style)
        for source in table["source"].unique() if for_the_eye else ():
            click.echo(f"source: {source}", err=True)
        return
    if part:
        raise UsageError(f"'{part}' filters the catalogue", f"detbench gpus --catalogue {part}")
    table = machine.gpus_here()
    if len(table) or not for_the_eye:
        print_table(table, style)
    for note in table.attrs["notes"]:
        click.echo(note, err=True)
