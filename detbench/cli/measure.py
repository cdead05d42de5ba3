"""The verbs that measure a training: how fast it is, and how long it takes to an accuracy."""

from __future__ import annotations

from typing import Any

import click

from detbench.cli.options import print_table, targets
from detbench.cli.outcomes import fail_on_bad, print_commands, print_folders
from detbench.cli.run_options import target_options, throughput_options, whole_numbers


@click.command()
@throughput_options
@click.option(
    "--processes",
    default="1",
    show_default=True,
    callback=whole_numbers,
    help="Numbers of processes to compare, a GPU each: 1,2,4,8. The batch grows with them.",
)
@click.option(
    "--repeats", type=click.IntRange(1), default=3, show_default=True, help="Runs of each."
)
def throughput(
    family: str,
    processes: tuple[int, ...],
    repeats: int,
    dry_run: bool,
    style: str,
    **options: Any,
) -> None:
    """Measure how fast a FAMILY's models train: images/s with a 95 % interval over repeats.

    A batch size is that of one process here, so that every GPU has the same work. Repeats take
    turns, so that a machine that grows warm or busy weighs on all alike.

    \b
    Example, the published single-GPU test of Mask R-CNN:
      detbench throughput maskrcnn --model mask_rcnn_R_50_FPN_1x --batch-sizes 2 \\
        --learning-rate 0.00125 --iterations 5000 --count 4900
    """
    from detbench.api import measuring, running
    from detbench.api.suite import require_noprofile
    from detbench.cli.progress import RunEvents

    require_noprofile(family)
    if dry_run:
        for number in processes:
            print_commands(
                running.commands(family, processes=number, batch_per_process=True, **options)
            )
        return
    with RunEvents() as on_event:
        done, table = measuring.measure_throughput(
            family, processes, repeats, on_event=on_event, **options
        )
    print_table(table, style)
    print_folders(done, style)
    fail_on_bad(done)


@click.command("time-to-train")
@target_options
@click.option(
    "--target",
    required=True,
    help="AP in percent, such as box=37.7,mask=33.9; on VOC, 'VOC mAP=70'. All have to be met.",
)
@click.option(
    "--repeats", type=click.IntRange(1), default=1, show_default=True, help="Each its own seed."
)
def time_to_train(
    family: str, target: str, repeats: int, dry_run: bool, style: str, **options: Any
) -> None:
    """Measure how long a FAMILY's model trains until an evaluation meets a target.

    The clock runs from before anything of the dataset is touched to the end of the evaluation that
    meets all of the target, and is never paused: evaluations are in it, and shown apart. A training
    that does not get there is a result, too.

    \b
    Example, MLPerf's target for Mask R-CNN, evaluated every epoch:
      detbench time-to-train maskrcnn --model mask_rcnn_R_50_FPN_1x --batch-sizes 16 \\
        --processes 8 --target box=37.7,mask=33.9
    """
    from detbench.api import measuring, running
    from detbench.api.suite import require_noprofile
    from detbench.cli.progress import RunEvents

    require_noprofile(family)
    goals = targets(target)
    if dry_run:
        print_commands(running.commands(family, purpose="target", target=goals, **options))
        return
    with RunEvents() as on_event:
        done, table = measuring.measure_time_to_train(
            family, goals, repeats, on_event=on_event, **options
        )
    print_table(table, style)
    print_folders(done, style)
    fail_on_bad(done)
