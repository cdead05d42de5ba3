"""The verb `gpus`: the GPUs of this machine, and the catalogue of GPU profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from detbench.cli.options import format_option, print_table
from detbench.errors import UsageError

if TYPE_CHECKING:
    from detbench.gpus.discovery import Gpu, Unusable

_COLUMNS = (
    "index",
    "GPU",
    "name",
    "profile",
    "memory (MiB)",
    "compute capability",
    "driver",
    "UUID",
    "MIG parent",
    "state",
)


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
    if catalogue:
        _show_catalogue(part, style)
    elif part:
        raise UsageError(f"'{part}' filters the catalogue", f"detbench gpus --catalogue {part}")
    else:
        _show_machine(style)


def _show_machine(style: str) -> None:
    import pandas as pd

    from detbench.gpus.discovery import NO_INSTANCE, survey

    told = survey()
    table = pd.DataFrame([_row(each) for each in told.seen], columns=_COLUMNS)
    if told.seen or style not in ("table", "md"):
        print_table(table.astype({"index": "Int64", "memory (MiB)": "Int64"}), style)
    if told.why_none:
        click.echo(f"no GPU can be used here: {told.why_none}", err=True)
        click.echo("known profiles: detbench gpus --catalogue", err=True)
    for each in told.seen:
        if NO_INSTANCE in _row(each)["state"]:
            click.echo(
                f"GPU {each.label}: its administrator makes an instance:"
                f" sudo nvidia-smi mig -i {each.label} -cgi PROFILE -C (docs/mig.md)",
                err=True,
            )


def _row(each: Gpu | Unusable) -> dict[str, Any]:
    from detbench.gpus.discovery import Gpu

    row = {"index": each.number, "GPU": each.label, "name": each.name or None}
    if not isinstance(each, Gpu):
        return {**row, "UUID": each.uuid or None, "state": each.why}
    return {
        **row,
        "profile": each.catalogued.name if each.catalogued else None,
        "memory (MiB)": each.memory_bytes >> 20,
        "compute capability": "{}.{}".format(*each.compute_capability),
        "driver": each.driver,
        "UUID": each.uuid,
        "MIG parent": each.parent or None,
        "state": "ok",
    }


def _show_catalogue(part: str, style: str) -> None:
    import pandas as pd

    from detbench.gpus.profiles import matching

    found = matching(part)
    if not found:
        raise UsageError(f"no GPU profile's name holds '{part}'", "detbench gpus --catalogue")
    rows = [
        {
            "profile": p.name,
            "GPU": p.gpu,
            "kind": p.kind,
            "MIG profile": p.mig_profile or None,
            "memory (MiB)": p.memory_bytes >> 20,
            "memory is": p.memory_is,
            "slices": f"{p.compute_slices} of {p.total_slices}",
            "SMs": p.num_sms,
            "at most": p.max_instances,
            "compute capability": "{}.{}".format(*p.compute_capability),
            "source": p.source,
        }
        for p in found
    ]
    table = pd.DataFrame(rows).astype({"SMs": "Int64"})
    if style not in ("table", "md"):
        print_table(table, style)
        return
    print_table(table.drop(columns="source"), style)
    for source in dict.fromkeys(p.source for p in found):
        click.echo(f"source: {source}", err=True)
