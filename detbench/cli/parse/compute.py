"""`compute-util`: how busy a device was, from a timeline."""

from __future__ import annotations

from pathlib import Path

import click

from detbench.cli.options import files_argument, format_option, output_option, show
from detbench.cli.parse.refusals import Refusals

_LEVELS = (  # repeats api.utilization.COMPUTE_LEVELS, whose import would slow --help down
    "device", "class", "kernel", "tensor", "stream", "iteration", "range", "gap", "communication",
    "definition",
)  # fmt: skip
_SHOWN = ("device", "class", "kernel")  # without --by
_SHOWN_OF_SUMMARIES = ("class", "kernel")


@click.command("compute-util")
@files_argument
@click.option(
    "--by",
    "level",
    type=click.Choice(_LEVELS),
    help="What a row stands for.  [default: the tables by " + ", ".join(_SHOWN) + "]",
)
@click.option("--device", help="Only this GPU, by its name in the tables, or `cpu` for operators.")
@click.option(
    "--range", "range_", help="Use the ranges of this name (`step N`: any number) as the window."
)
@click.option("--top", default=10, show_default=True, help="Number of kernels or ranges to list.")
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
    """Compute utilization: the share of the profiled time in which at least one kernel ran.

    FILE is a measurement of `profile.sh nvprof` or `profile.sh torch`: an Nsight Systems export
    (.sqlite), an nvprof file (.nvvp, or what --print-gpu-trace prints), or a PyTorch profiler
    trace (.json); packed with gzip, bzip2 or xz it is read as well. It may also be a trace of
    `nsys stats` (cuda_gpu_trace) or DLProf's iteration report. Summaries (nsys stats, nvprof,
    DLProf's kernel report, the PyTorch profiler's key_averages().table()) have tables by class
    and kernel only. `--by tensor` needs DLProf's reports, which say what uses Tensor Cores. A
    trace recorded without a GPU has no kernels; `--device cpu` shows its operators.

    \b
    Example:
      python parsers/compute_util.py results/torch_bs4.pt.trace.json.gz --device cpu
    """
    from detbench.api.files import Summary, read
    from detbench.api.utilization import BY_LAUNCH, compute_utilization

    refusals = Refusals()
    found = refusals.read(files, lambda file: read(file, "timeline", launches=level in BY_LAUNCH))
    is_summary = isinstance(found[0], Summary)
    if level is not None:
        levels: tuple[str, ...] = (level,)
    elif style == "csv":  # a table with one header
        levels = ("kernel",) if is_summary else ("device",)
    else:
        levels = _SHOWN_OF_SUMMARIES if is_summary else _SHOWN
    tables = refusals.tables(
        found,
        lambda found: {
            name: compute_utilization(found, name, device=device, range=range_, top=top)
            for name in levels
        },
    )
    show(tables, style, output)
    refusals.finish()
