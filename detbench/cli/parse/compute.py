"""`compute-util`: how busy a device was, from a timeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from detbench.cli.options import files_argument, format_option, output_option, show
from detbench.cli.parse.progress import reading
from detbench.cli.parse.shared import devices_of, of_file, stack
from detbench.errors import BadFileError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from detbench.readers.timeline import KernelSums, Timeline


_LEVELS = (
    "device", "class", "kernel", "tensor", "stream", "iteration", "range", "gap", "communication",
    "definition",
)  # fmt: skip
_BY_LAUNCH = ("range", "definition")  # these need to know which call launched what
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
@click.option("--range", "range_", help="Only the ranges of this name: they are the window.")
@click.option("--top", default=10, show_default=True, help="How many kernels or ranges to list.")
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
    profiler (.json or .json.gz); or a trace of `nsys stats` (cuda_gpu_trace), or DLProf's iteration
    report. Summaries (nsys stats, nvprof, DLProf's kernel report) have tables by class and kernel
    only. `--by tensor` is for DLProf's reports, which say what uses Tensor Cores. A trace made
    without a GPU holds no kernels; `--device cpu` shows its operators.

    \b
    Example:
      python parsers/compute_util.py results/torch_bs4.pt.trace.json.gz --device cpu
    """
    from detbench.readers.timeline import KernelSums, Timeline
    from detbench.readers.timeline_file import read_timeline

    with reading(files) as each:
        read = {file: read_timeline(file, launches=level in _BY_LAUNCH) for file in each}
    timelines = {f: found for f, found in read.items() if isinstance(found, Timeline)}
    sums = {f: found for f, found in read.items() if isinstance(found, KernelSums)}
    if sums and timelines:
        raise UsageError(f"{next(iter(sums))} is a summary, others are not", "parse them apart")
    if sums:
        show(_of_summaries(sums, level, top, style), style, output)
        return
    chosen = {file: devices_of(file, timeline, device) for file, timeline in timelines.items()}
    levels = (level,) if level else _SHOWN if style in ("table", "md") else _SHOWN[:1]
    shown = []
    for name in levels:
        title, function = _compute_table(name, top, "operator" if device == "cpu" else "kernel")
        tables = {
            file: of_file(file, "see --help", function, timeline, chosen[file], range_)
            for file, timeline in timelines.items()
        }
        shown.append((title, stack(tables)))
    show(shown, style, output)


_TENSOR = "DLProf's kernel and iteration reports say it"


def _of_summaries(
    sums: dict[Path, KernelSums], level: str | None, top: int, style: str
) -> list[tuple[str, pd.DataFrame]]:
    """The two tables that summaries have; that there is no utilization in them is said."""
    from detbench.utilization import compute

    if level not in (None, "class", "kernel", "tensor"):
        raise BadFileError(
            next(iter(sums)),
            f"a summary, which does not tell when kernels ran: no table by {level}",
            "--by class or kernel, or take a timeline (nsys export --type sqlite)",
        )
    levels = [level] if level else ["class", "kernel"] if style in ("table", "md") else ["kernel"]
    return [
        (
            f"By {name}, share of summed kernel time (a summary: no utilization can be told)",
            stack(
                {
                    file: of_file(file, _TENSOR, compute.of_sums, found, name).head(top)
                    for file, found in sums.items()
                }
            ),
        )
        for name in levels
    ]


def _compute_table(level: str, top: int, work: str) -> tuple[str, Callable[..., pd.DataFrame]]:
    """Title and formula of a table of compute utilization."""
    from detbench.utilization import compute
    from detbench.utilization.definitions import by_definition
    from detbench.utilization.ranges import by_range

    def by_class(timeline: Timeline, devices: list[str], name: str | None) -> pd.DataFrame:
        return compute.by_name(timeline, devices, "class", name)

    def by_kernel(timeline: Timeline, devices: list[str], name: str | None) -> pd.DataFrame:
        table = compute.by_name(timeline, devices, "kernel", name)
        return table.groupby("device").head(top)

    def by_tensor(timeline: Timeline, devices: list[str], name: str | None) -> pd.DataFrame:
        return compute.by_name(timeline, devices, "tensor", name)

    def by_range_name(timeline: Timeline, devices: list[str], name: str | None) -> pd.DataFrame:
        return by_range(timeline, devices, top, name)

    tables: dict[str, tuple[str, Callable[..., pd.DataFrame]]] = {
        "device": ("Compute utilization, share of the window", compute.by_device),
        "class": (f"By {work} class, share of {work} time", by_class),
        "kernel": (f"Longest {work}s (top {top}), share of {work} time", by_kernel),
        "tensor": (f"By use of Tensor Cores, share of {work} time", by_tensor),
        "stream": ("By stream, share of the window", compute.by_stream),
        "iteration": ("By iteration, share of each", compute.by_iteration),
        "range": (f"By range (top {top}), of the kernels it launched", by_range_name),
        "gap": (f"Stretches without a {work}, share of the window", compute.by_gap),
        "communication": ("Communication, share of the window", compute.by_communication),
        "definition": ("As others define it", by_definition),
    }
    return tables[level]
