"""The verbs that turn profilers' files into tables. They need no torch, no Docker and no GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detbench.cli.options import files_argument, format_option, output_option, show
from detbench.errors import BadFileError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from detbench.readers.timeline import KernelSums, Timeline
    from detbench.utilization.core import CoreUtilization

_PERCENT_DIGITS = 5  # what the seed suite's analyzer prints, and scripts cut out


@click.command("core-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(["file", "device", "class", "kernel"]),
    help="One row a file, device, kernel class or kernel name.  [default: file]",
)
@click.option("--device", help="Only the launches on this device.")
@click.option("--top", default=20, show_default=True, help="How many classes or kernels to list.")
@click.option(
    "--timeline",
    type=click.Path(path_type=Path),
    help="A timeline of the same run: shares of wall time are added, by its busy share.",
)
@format_option(default=None)
@output_option
def core_util(
    files: tuple[Path, ...],
    level: str | None,
    device: str | None,
    top: int,
    timeline: Path | None,
    style: str | None,
    output: Path | None,
) -> None:
    """Core utilization: how much FMA, FP16, Tensor and SFU cores worked while kernels ran.

    FILE is what `profile.sh nsight` left: Nsight Compute's CSV (`ncu --csv --log-file FILE`).
    Weighted by each kernel's cycles; idle time between kernels is not part of it.

    For one file and no option four lines are printed, `fma<TAB>17.50765 %` and so on, for
    scripts; otherwise a table.

    \b
    Examples:
      python parsers/core_util.py results/nsight_bs2.csv
      python parsers/core_util.py results/*/*/nsight_bs*.csv --by class --format md
    """
    from detbench.readers.ncu_csv import read_ncu_csv
    from detbench.utilization import core

    launches = {file: _on_device(file, read_ncu_csv(file, core.METRICS), device) for file in files}
    plain = len(files) == 1 and not (level or style or output or timeline)
    if plain:
        _print_four_lines(_of_file(files[0], _COLLECT, core.core_utilization, launches[files[0]]))
        return
    busy = None if timeline is None else _busy_share(timeline, device)
    tables = {
        file: _of_file(file, _COLLECT, core.by, found, level or "file", top, busy)
        for file, found in launches.items()
    }
    title = "Core utilization, share of kernel cycles"
    if busy is not None:
        title += f"; of wall time: times the {busy:.4g} % that {timeline} is busy"
    show([(title, _stack(tables, always=True))], style or "table", output)


_COLLECT = "collect it: profile.sh nsight"


def _print_four_lines(found: CoreUtilization) -> None:
    from detbench import counters

    for core in counters.CORES:
        percent = found.percent[core]
        shown = "n/a" if percent is None else f"{percent:.{_PERCENT_DIGITS}f} %"
        click.echo(f"{core}\t{shown}")
        if percent is None:
            click.echo(f"{core}: {found.reason[core]}", err=True)


def _on_device(file: Path, launches: pd.DataFrame, device: str | None) -> pd.DataFrame:
    if device is None:
        return launches
    found: pd.DataFrame = launches[launches["device"] == device]
    if found.empty:
        known = ", ".join(sorted(launches["device"].unique()))
        raise UsageError(f"{file} has no launch on device '{device}'", f"it has: {known or 'none'}")
    return found


def _busy_share(timeline: Path, device: str | None) -> float:
    """Compute utilization of the one device of a timeline, in percent."""
    from detbench.readers.timeline import KernelSums
    from detbench.readers.timeline_file import read_timeline
    from detbench.utilization import compute

    read = read_timeline(timeline)
    if isinstance(read, KernelSums):
        raise BadFileError(timeline, "a summary, which tells no busy share", "give a timeline")
    found = _devices(timeline, read, device)
    if len(found) > 1:
        raise UsageError(f"{timeline} has several devices", f"--device: one of {', '.join(found)}")
    return float(compute.by_device(read, found)["busy (%)"].iloc[0])


_LEVELS = ("device", "class", "kernel", "stream", "iteration", "gap", "communication")
_SHOWN = ("device", "class", "kernel")  # without --by


@click.command("compute-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(_LEVELS),
    help="One row of what; without it, the tables of " + ", ".join(_SHOWN) + ".",
)
@click.option("--device", help="Only this GPU number, or `cpu` for the CPU's operators.")
@click.option("--range", "range_", help="The window is that of the ranges of this name.")
@click.option("--top", default=10, show_default=True, help="How many kernel names to list.")
@format_option()
@output_option
def compute_util(
    files: tuple[Path, ...],
    level: str | None,
    device: str | None,
    range_: str | None,
    top: int,
    style: str,
    output: Path | None,
) -> None:
    """Compute utilization: how much of the profiled time at least one kernel was running.

    FILE is what `profile.sh nvprof` or `profile.sh torch` left: an export of Nsight Systems
    (.sqlite), a file of nvprof (.nvvp, or CSV of --print-gpu-trace), a trace of the PyTorch
    profiler (.json or .json.gz). Summaries (nsys stats, nvprof) have tables by class and kernel
    only. A trace made without a GPU holds no kernels; `--device cpu`
    shows its operators.

    \b
    Example:
      python parsers/compute_util.py results/torch_bs4.pt.trace.json.gz --device cpu
    """
    from detbench.readers.timeline import KernelSums, Timeline
    from detbench.readers.timeline_file import read_timeline

    read = {file: read_timeline(file) for file in files}
    timelines = {f: found for f, found in read.items() if isinstance(found, Timeline)}
    sums = {f: found for f, found in read.items() if isinstance(found, KernelSums)}
    if sums and timelines:
        raise UsageError(f"{next(iter(sums))} is a summary, others are not", "parse them apart")
    if sums:
        show(_of_summaries(sums, level, top, style), style, output)
        return
    chosen = {file: _devices(file, timeline, device) for file, timeline in timelines.items()}
    levels = (level,) if level else _SHOWN if style in ("table", "md") else _SHOWN[:1]
    shown = []
    for name in levels:
        title, function = _compute_table(name, top, "operator" if device == "cpu" else "kernel")
        tables = {
            file: _of_file(file, "see --help", function, timeline, chosen[file], range_)
            for file, timeline in timelines.items()
        }
        shown.append((title, _stack(tables)))
    show(shown, style, output)


def _of_summaries(
    sums: dict[Path, KernelSums], level: str | None, top: int, style: str
) -> list[tuple[str, pd.DataFrame]]:
    """The two tables that summaries have; that there is no utilization in them is said."""
    from detbench.utilization import compute

    if level not in (None, "class", "kernel"):
        raise BadFileError(
            next(iter(sums)),
            f"a summary, which does not tell when kernels ran: no table by {level}",
            "--by class or kernel, or a timeline (nsys export --type sqlite)",
        )
    levels = [level] if level else ["class", "kernel"] if style in ("table", "md") else ["kernel"]
    return [
        (
            f"By {name}, share of summed kernel time (a summary: no utilization can be told)",
            _stack({file: compute.of_sums(found, name).head(top) for file, found in sums.items()}),
        )
        for name in levels
    ]


def _compute_table(level: str, top: int, work: str) -> tuple[str, Callable[..., pd.DataFrame]]:
    """Title and formula of a table of compute utilization."""
    from detbench.utilization import compute

    def by_class(timeline: Timeline, devices: list[str], name: str | None) -> pd.DataFrame:
        return compute.by_name(timeline, devices, "class", name)

    def by_kernel(timeline: Timeline, devices: list[str], name: str | None) -> pd.DataFrame:
        table = compute.by_name(timeline, devices, "kernel", name)
        return table.groupby("device").head(top)

    tables: dict[str, tuple[str, Callable[..., pd.DataFrame]]] = {
        "device": ("Compute utilization, share of the window", compute.by_device),
        "class": (f"By {work} class, share of {work} time", by_class),
        "kernel": (f"Longest {work}s (top {top}), share of {work} time", by_kernel),
        "stream": ("By stream, share of the window", compute.by_stream),
        "iteration": ("By iteration, share of each", compute.by_iteration),
        "gap": (f"Stretches without a {work}, share of the window", compute.by_gap),
        "communication": ("Communication, share of the window", compute.by_communication),
    }
    return tables[level]


@click.command("memory-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(["category", "module", "phase"]),
    default="category",
    show_default=True,
    help="Parts of the peak by category or module, or every phase's peak.",
)
@click.option("--top", default=20, show_default=True, help="How many rows to print.")
@format_option()
@output_option
def memory_util(
    files: tuple[Path, ...], level: str, top: int, style: str, output: Path | None
) -> None:
    """Memory: what it was used for at the moment of the highest peak.

    FILE is what memory mode left (memory_csv_data/memory_bs4.csv).

    \b
    Example:
      python parsers/memory_util.py results/memory_csv_data/memory_bs4.csv --by module
    """
    from detbench.readers.memory_csv import read_memory_csv
    from detbench.utilization import memory

    tables, titles = {}, []
    for file in files:
        parts = read_memory_csv(file)
        tables[file] = memory.by(parts, level).head(top)
        at = memory.peak(parts)
        total = at["bytes"].sum() / 2**20
        first = at.iloc[0]
        titles.append(f"{total:,.1f} MiB in iteration {first['iteration']}, {first['phase']}")
    kind = "Peak of each phase" if level == "phase" else "At the peak"
    show([(f"{kind}: {'; '.join(titles)}", _stack(tables))], style, output)


@click.command("throughput")
@files_argument
@click.option(
    "--batch-size", type=click.IntRange(1), help="Images an iteration, where the log has it not."
)
@click.option(
    "--warmup", default=20, show_default=True, help="Iterations at the start that do not count."
)
@format_option()
@output_option
def throughput(
    files: tuple[Path, ...], batch_size: int | None, warmup: int, style: str, output: Path | None
) -> None:
    """Throughput from a training's own log, warm-up excluded.

    FILE is detectron2's `metrics.json` or `log.txt`, or a detbench run's.

    \b
    Example:
      python parsers/throughput.py results/cpu/*noprofile*/metrics.json --batch-size 4
    """
    import pandas as pd

    from detbench.readers.training_log import read_training_log
    from detbench.utilization import throughput as speed

    rows = []
    for file in files:
        log = read_training_log(file)
        size = batch_size or log.batch_size
        one = _of_file(file, "pass a smaller --warmup", speed.throughput, log.reports, size, warmup)
        rows.append(
            {
                "file": str(file),
                "window": f"{one.first_iteration} to {one.last_iteration}",
                "iterations": one.num_iterations,
                "restarts": log.num_restarts,
                "batch size": size,
                "s / iteration (median)": one.iteration_seconds,
                "images/s": one.images_per_second,
                "data wait (%)": one.data_wait_percent,
                **log.accuracy,
            }
        )
    table = pd.DataFrame(rows).astype({"batch size": "Int64"})
    show([("Throughput from the training's reports, warm-up excluded", table)], style, output)


@click.command("monitor-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(["gpu", "quantity"]),
    help="One row a GPU, or a GPU and quantity; without it, both tables.",
)
@format_option()
@output_option
def monitor_util(
    files: tuple[Path, ...], level: str | None, style: str, output: Path | None
) -> None:
    """Monitoring: each GPU's utilization, memory, power, clocks and temperature over a run.

    FILE is what `nvidia-smi --query-gpu=... --format=csv -l 1` or `nvidia-smi dmon` printed.

    \b
    Example:
      python parsers/monitor_util.py gpu.csv --by quantity
    """
    from detbench.readers.monitoring import read_monitoring
    from detbench.utilization import monitor

    if level is None and style in ("csv", "json"):
        level = "quantity"
    samples = {file: read_monitoring(file) for file in files}
    make = {
        "quantity": ("What was sampled, every sample weighing the same", monitor.by_quantity),
        "gpu": ("Each GPU", monitor.by_gpu),
    }
    shown = [
        (title, _stack({file: function(found) for file, found in samples.items()}))
        for name, (title, function) in make.items()
        if level in (None, name)
    ]
    show(shown, style, output)


def _of_file(file: Path, hint: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What a formula makes of a file's table; that it cannot be made is the file's fault."""
    try:
        return function(*arguments)
    except ValueError as error:
        raise BadFileError(file, str(error), hint) from error


def _devices(file: Path, timeline: Timeline, wanted: str | None) -> list[str]:
    from detbench.readers.timeline import CPU
    from detbench.utilization.window import devices

    found = devices(timeline)
    if wanted == CPU and (timeline.activities["kind"] == "operator").any():
        return [CPU]
    if not found:
        raise BadFileError(file, "no kernel and no operator in it", "record a window of training")
    if wanted is None and found == [CPU]:
        raise BadFileError(
            file,
            f"no GPU kernel in it: {timeline.note or 'it was recorded on a CPU alone'}",
            "--device cpu shows the CPU's operators",
        )
    if wanted is not None and wanted not in found:
        raise UsageError(f"{file} has no device '{wanted}'", f"it has: {', '.join(found)}")
    return found if wanted is None else [wanted]


def _stack(tables: dict[Path, pd.DataFrame], *, always: bool = False) -> pd.DataFrame:
    """One table of several files' tables, told apart by a first column where there are several."""
    import pandas as pd

    if len(tables) == 1 and not always:
        return next(iter(tables.values()))
    return pd.concat([table.assign(file=str(file)) for file, table in tables.items()])[
        ["file", *next(iter(tables.values())).columns]
    ]
