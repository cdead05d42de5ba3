"""The verbs that measure a training: how fast it is, and how long it takes to an accuracy."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING, Any

import click

from detbench.cli.options import print_table
from detbench.cli.run_options import target_options, throughput_options, whole_numbers
from detbench.cli.runs import noprofile
from detbench.cli.session import Done, begin, fail_on_bad, say_where
from detbench.errors import UsageError

if TYPE_CHECKING:
    from detbench.records.spec import RunRecord


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
def throughput(family: str, processes: tuple[int, ...], repeats: int, **options: Any) -> None:
    """Measure how fast a FAMILY's models train: images/s with a 95 % interval over repeats.

    A batch size is that of one process here, so that every GPU has the same work. Repeats take
    turns, so that a machine that grows warm or busy weighs on all alike.

    \b
    Example, the published single-GPU test of Mask R-CNN:
      detbench throughput maskrcnn --model mask_rcnn_R_50_FPN_1x --batch-sizes 2 \\
        --learning-rate 0.00125 --iterations 5000 --count 4900
    """
    if min(processes) < 1:
        raise UsageError("--processes: at least 1")
    mode, style = noprofile(family), options["style"]
    begun = [
        begin(
            family, mode, {**options, "num_processes": number, "batch_per_process": True}, "window"
        )
        for number in processes
    ]
    done: list[Done] = []
    for _ in range(repeats):
        for session, specs in (b for b in begun if b is not None):
            done += session.do_all(specs)
        if done and done[-1][1].status == "interrupted":
            break
    if not done:
        return
    _print_speeds([record for _, record in done], style)
    if style in ("table", "md"):
        say_where(done)
    fail_on_bad(done)


def _print_speeds(records: list[RunRecord], style: str) -> None:
    import pandas as pd

    from detbench.utilization.repeats import interval, scaling_efficiency

    groups: dict[tuple[str, int, int], list[RunRecord]] = {}
    for record in records:
        spec = record.spec
        key = (spec.model, spec.world_size, spec.batch_size // spec.world_size)
        groups.setdefault(key, []).append(record)
    rows: list[dict[str, Any]] = []
    means: dict[tuple[str, int, int], float] = {}
    for (model, number, share), own in groups.items():
        speeds = [r.throughput for r in own if r.throughput is not None]
        if not speeds:
            continue
        middle, half = interval([s.images_per_second for s in speeds])
        means[model, number, share] = middle
        single = means.get((model, 1, share))
        rows.append(
            {
                "model": model,
                "processes": number,
                "batch size": number * share,
                "iterations": str(own[0].spec.window),
                "warm-up": own[0].spec.window.start,
                "repeats": len(speeds),
                "images/s": middle,
                "± 95 %": half,
                "images/s a process": middle / number,
                "efficiency (%)": single and 100 * scaling_efficiency(middle, single, number),
                "s / iteration (median)": mean([s.iteration_seconds_median for s in speeds]),
                "data wait (%)": 100 * mean([s.data_wait_share for s in speeds]),
            }
        )
    table = pd.DataFrame(rows)
    print_table(table, style, "Throughput over the window, warm-up excluded")


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
def time_to_train(family: str, repeats: int, **options: Any) -> None:
    """Measure how long a FAMILY's model trains until an evaluation meets a target.

    The clock runs from before anything of the dataset is touched to the end of the evaluation that
    meets all of the target, and is never paused: evaluations are in it, and shown apart. A training
    that does not get there is a result, too.

    \b
    Example, MLPerf's target for Mask R-CNN, evaluated every epoch:
      detbench time-to-train maskrcnn --model mask_rcnn_R_50_FPN_1x --batch-sizes 16 \\
        --processes 8 --target box=37.7,mask=33.9
    """
    begun = begin(family, noprofile(family), options, "target")
    if begun is None:
        return
    session, specs = begun
    seeds = [s.model_copy(update={"seed": s.seed + i}) for s in specs for i in range(repeats)]
    done = session.do_all(seeds)
    _print_times([record for _, record in done], options["style"])
    if options["style"] in ("table", "md"):
        say_where(done)
    fail_on_bad(done)


def _print_times(records: list[RunRecord], style: str) -> None:
    import pandas as pd

    rows = []
    for record in records:
        found, speed = record.time_to_train, record.throughput
        if found is None:
            continue
        rows.append(
            {
                "model": record.spec.model,
                "framework": record.spec.framework,
                "GPUs" if record.spec.device == "cuda" else "processes": record.spec.world_size,
                "seed": record.spec.seed,
                "target": ", ".join(f"{name} {goal:g}" for name, goal in found.target.items()),
                "time-to-train (s)": found.seconds
                if found.reached
                else f"not reached after {found.iterations} iterations",
                "of it evaluation (s)": found.evaluation_seconds,
                "evaluations": found.num_evaluations,
                "epochs": found.epochs,
                "images": found.images,
                "images/s": speed.images_per_second if speed else None,
                **{name: (record.accuracy or {}).get(name) for name in found.target},
            }
        )
    print_table(pd.DataFrame(rows), style, "Time to train")
