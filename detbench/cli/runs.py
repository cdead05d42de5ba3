"""The verbs that train to accuracy or a window of it, and that evaluate weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from detbench.cli.completion import of_modes
from detbench.cli.outcomes import fail_on_bad, print_commands, print_runs
from detbench.cli.run_options import accuracy_options, evaluation_options, run_options


@click.command()
@accuracy_options
def train(family: str, dry_run: bool, style: str, **options: Any) -> None:
    """Train a FAMILY's model to the end of its schedule and evaluate it.

    Leaves the weights, metrics.json, the training curve and predictions as pictures; checkpoints
    until it has ended well. With --resume an interrupted training goes on from its newest
    checkpoint as if nothing had been.

    \b
    Example:
      detbench train maskrcnn --model mask_rcnn_R_18_FPN_tiny --dataset embedded --device cpu
    """
    from detbench.api import running
    from detbench.api.suite import require_noprofile
    from detbench.cli.progress import RunEvents

    require_noprofile(family)
    if dry_run:
        print_commands(running.commands(family, purpose="accuracy", **options))
        return
    with RunEvents() as on_event:
        done = running.train(family, on_event=on_event, **options)
    print_runs(done, style)
    fail_on_bad(done)


@click.command()
@click.option("--mode", shell_complete=of_modes, help="[default: the switched one]")
@run_options
def run(family: str, mode: str | None, dry_run: bool, style: str, **options: Any) -> None:
    """Run a window of training of a FAMILY in the switched mode.

    \b
    Example:
      detbench run maskrcnn --mode memory --batch-sizes 2,4
    """
    _run_window(family, mode, dry_run, style, options)


@click.command()
@run_options
@click.argument("mode", required=False, shell_complete=of_modes)
def profile(family: str, mode: str | None, dry_run: bool, style: str, **options: Any) -> None:
    """Profile a window of training of a FAMILY in the switched mode; MODE has to be that one.

    \b
    Examples:
      detbench switch maskrcnn torch
      detbench profile maskrcnn torch --batch-sizes 4
    """
    from detbench.api.suite import profiling_mode

    _run_window(family, profiling_mode(family, mode).name, dry_run, style, options)


@click.command("eval")
@evaluation_options
def evaluate(family: str, dry_run: bool, style: str, **options: Any) -> None:
    """Evaluate weights of a FAMILY's model on the val split: --weights FILE.

    zoo are the weights that detectron2 publishes for the model. On VOC it prints the AP of every
    class (area under the curve, IoU 0.5) and their mean; other formats leave that to voc_ap.csv.

    \b
    Example:
      detbench eval maskrcnn --model mask_rcnn_R_18_FPN_tiny --weights model_final.pth
    """
    from detbench.api import running
    from detbench.cli.progress import RunEvents

    if dry_run:
        print_commands(running.commands(family, purpose="evaluation", **options))
        return
    with RunEvents() as on_event:
        done = running.evaluate(family, on_event=on_event, **options)
    print_runs(done, style)
    for folder, record in done if style in ("table", "md") else ():
        if (folder / "voc_ap.csv").is_file() and record.status == "ok":
            _print_classes(folder)
    fail_on_bad(done)


def _run_window(
    family: str, mode: str | None, dry_run: bool, style: str, options: dict[str, Any]
) -> None:
    """Do a run per model and batch size and print a row each; with `dry_run`, print commands."""
    from detbench.api import running
    from detbench.cli.progress import RunEvents

    if dry_run:
        print_commands(running.commands(family, mode, **options))
        return
    with RunEvents() as on_event:
        done = running.run(family, mode, on_event=on_event, **options)
    print_runs(done, style)
    fail_on_bad(done)


def _print_classes(folder: Path) -> None:
    """Print one line per class as VOC's users know it, `name: share`, then the mean."""
    import pandas as pd

    classes = pd.read_csv(folder / "voc_ap.csv")
    for name, share in zip(classes["class"], classes["AP"], strict=True):
        click.echo(f"{name}: {'n/a, no object of it' if pd.isna(share) else share}")
    click.echo(f"avg mAP: {classes['AP'].mean()}")
    click.echo(f"avg mAP (11-point): {classes['AP 11-point'].mean()}")
