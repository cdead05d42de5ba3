"""`gpu-check`: whether the suite tells the truth on this machine's GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from detbench.cli.options import format_option, print_table, show
from detbench.errors import RunFailedError

if TYPE_CHECKING:
    from detbench.records.spec import Device


@click.command("gpu-check")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=12.0,
    show_default=True,
    help="The time for all steps; those that it does not reach say so.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The archive of all that was found, a new file.  [default: gpu-check_<GPU>_<time>.tar.gz]",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    help="cpu rehearses the check with what a CPU has.  [default: cuda if there]",
)
@click.option("--gpu", default="", help="Index or UUID of a GPU or MIG instance.  [default: first]")
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for the runs.  [default: a new one in the results]",
)
@format_option()
def gpu_check(
    minutes: float,
    bundle: Path | None,
    device: Device | None,
    gpu: str,
    results: Path | None,
    style: str,
) -> None:
    """Check this suite against the GPU of this machine, and bundle what was found.

    Known kernels under Nsight Compute, a training to accuracy, speed in every precision, timeline,
    memory, predictions, a batch that cannot fit, energy, monitoring and the suite's own overhead:
    each is a claim with a tolerance and a verdict. Needs no Docker, changes no setting of the GPU.
    Ends with 4 if a claim failed.

    \b
    Examples:
      detbench gpu-check
      detbench gpu-check --minutes 3 --device cpu
    """
    from detbench.api.checking import gpu_check as check
    from detbench.cli.progress import CheckEvents

    with CheckEvents() as on_event:
        found = check(
            minutes=minutes,
            bundle=bundle,
            device=device,
            gpu=gpu,
            results=results,
            on_event=on_event,
        )
    if style == "json":
        show({**found.tables, "verdicts": found.verdicts}, style, None)
    else:
        for title, table in found.tables.items() if style != "csv" else ():
            print_table(table, style, title)
            click.echo()
        print_table(found.verdicts, style)
    for line in found.left_out:
        click.echo(f"too large for the bundle: {line}", err=True)
    if style in ("table", "md"):
        counts = found.verdicts["verdict"].value_counts()
        click.echo(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
        if found.bundle:
            click.echo(f"{found.bundle}: {found.bundle.stat().st_size / 2**20:.1f} MiB")
        click.echo(f"runs kept in {found.runs}")
    if found.problem:
        raise found.problem
    if found.interrupted:
        raise RunFailedError("the check was interrupted", "its runs and verdicts are kept")
    bad = found.verdicts[found.verdicts["verdict"] == "failed"]
    if len(bad):
        raise RunFailedError(
            f"{len(bad)} of {len(found.verdicts)} claims failed: {bad['claim'].iloc[0]}",
            f"attach {found.bundle} to a bug report",
        )
