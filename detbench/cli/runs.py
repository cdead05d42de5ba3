"""The verbs that train to accuracy or a window of it, and that evaluate weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detbench.cli.completion import of_modes
from detbench.cli.run_options import accuracy_options, evaluation_options, run_options
from detbench.cli.session import begin, fail_on_bad, print_records
from detbench.errors import UsageError

if TYPE_CHECKING:
    from detbench.records.modes import Mode
    from detbench.running.plan import Purpose


@click.command()
@accuracy_options
def train(family: str, **options: Any) -> None:
    """Train a FAMILY's model to the end of its schedule and evaluate it.

    Leaves the weights, metrics.json, the training curve and predictions as pictures; checkpoints
    until it has ended well. With --resume an interrupted training goes on from its newest
    checkpoint as if nothing had been.

    \b
    Example:
      detbench train maskrcnn --model mask_rcnn_R_18_FPN_tiny --dataset embedded --device cpu
    """
    _do(family, noprofile(family), options, "accuracy")


def noprofile(family: str) -> Mode:
    """The mode in which accuracy and its time are measured.

    Raises:
        UsageError: the family is switched to another one.
    """
    from detbench.checkout import checkout
    from detbench.records.modes import MODES
    from detbench.running.switched import switched

    if checkout() is not None and (mode := switched(family)).name != "noprofile":
        raise UsageError(
            f"{family} is switched to {mode.name}, and training to accuracy is done in noprofile",
            "bash switch.sh noprofile",
        )
    return MODES["noprofile"]


@click.command()
@click.option("--mode", shell_complete=of_modes, help="[default: the switched one]")
@run_options
def run(family: str, mode: str | None, **options: Any) -> None:
    """Run a window of training of a FAMILY in the switched mode.

    \b
    Example:
      detbench run maskrcnn --mode memory --batch-sizes 2,4
    """
    from detbench.records.modes import resolve_mode
    from detbench.running.switched import switched

    _do(family, resolve_mode(mode) if mode else switched(family), options, "window")


@click.command()
@run_options
@click.argument("mode", required=False, shell_complete=of_modes)
def profile(family: str, mode: str | None, **options: Any) -> None:
    """Profile a window of training of a FAMILY in the switched mode; MODE has to be that one.

    \b
    Examples:
      detbench switch maskrcnn torch
      detbench profile maskrcnn torch --batch-sizes 4
    """
    from detbench.records.modes import resolve_mode
    from detbench.running.switched import switched

    current = switched(family)
    if mode is not None and resolve_mode(mode) != current:
        raise UsageError(
            f"{family} is switched to {current.name}, not to {mode}", f"bash switch.sh {mode}"
        )
    if current.name == "noprofile":
        raise UsageError(f"{family} is switched to noprofile", "bash switch.sh torch, for example")
    _do(family, current, options, "window")


@click.command("eval")
@evaluation_options
def evaluate(family: str, **options: Any) -> None:
    """Evaluate weights of a FAMILY's model on the val split: --weights FILE.

    zoo are the weights that detectron2 publishes for the model. On VOC it prints the AP of every
    class (area under the curve, IoU 0.5) and their mean; other formats leave that to voc_ap.csv.

    \b
    Example:
      detbench eval maskrcnn --model mask_rcnn_R_18_FPN_tiny --weights model_final.pth
    """
    from detbench.records.modes import MODES

    if not options["weights"]:
        raise UsageError("eval evaluates weights", "--weights FILE, or zoo")
    done = _do(family, MODES["noprofile"], options, "evaluation", final=False)
    for folder, record in done if options["style"] in ("table", "md") else ():
        if (folder / "voc_ap.csv").is_file() and record.status == "ok":
            _print_classes(folder)
    fail_on_bad(done)


def _print_classes(folder: Path) -> None:
    """A line a class as VOC's users know them, `name: share`, then their mean."""
    import pandas as pd

    classes = pd.read_csv(folder / "voc_ap.csv")
    for name, share in zip(classes["class"], classes["AP"], strict=True):
        click.echo(f"{name}: {'n/a, no object of it' if pd.isna(share) else share}")
    click.echo(f"avg mAP: {classes['AP'].mean()}")
    click.echo(f"avg mAP (11-point): {classes['AP 11-point'].mean()}")


def _do(
    family: str, mode: Mode, options: dict[str, Any], purpose: Purpose, *, final: bool = True
) -> list[Any]:
    """Plan the runs, do them and print a row each."""
    begun = begin(family, mode, options, purpose)
    if begun is None:
        return []
    session, specs = begun
    done = session.do_all(specs)
    print_records(done, options["style"])
    if final:
        fail_on_bad(done)
    return done
