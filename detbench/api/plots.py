"""The report page's charts of a table or a file, as figures for a notebook."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from detbench.api.files import Counters, Memory, Monitoring, Recording, Timeline, TrainingHistory
from detbench.api.memory_tables import has_no_peak, memory
from detbench.api.tables import short_names
from detbench.api.utilization import compute_utilization, core_utilization
from detbench.errors import UsageError
from detbench.gpus.peaks import Peaks
from detbench.readers.counters_file import Launches
from detbench.readers.timeline import CPU
from detbench.records.gather import gather
from detbench.reporting.charts.bars import busy_and_cores, gap_bars, share_stacks
from detbench.reporting.charts.lines import curves, drawn_samples, sample_lines, speed_lines
from detbench.reporting.charts.memory import peak_stacks, phase_stacks
from detbench.reporting.charts.parts import Chart
from detbench.reporting.charts.roofline import roofline_points
from detbench.reporting.charts.status_map import status_map
from detbench.reporting.figure import figure_of
from detbench.reporting.labels import ACCURACIES, device_name
from detbench.reporting.measurements import Runs
from detbench.reporting.repeated import repeated, speed_table
from detbench.utilization.window import devices

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def plot(table: pd.DataFrame | Recording, title: str | None = None) -> Figure:
    """Draw a table as the report page does, as a plotly figure.

    Args:
        table: a table from this package, or a recording from `read`. The figure of a timeline
            shows its kernel classes, of counters the core utilization, of memory the categories,
            of monitoring the samples over time, of a training its losses.
        title: the figure's title; None for the table's own.

    Raises:
        UsageError: there is no chart for such a table.
        MissingError: plotly is not installed.
    """
    if isinstance(table, Recording):
        chart, own = _of_recording(table)
        return figure_of(chart, own if title is None else title)
    kind = str(table.attrs.get("kind", ""))
    maker = _MAKERS.get(kind)
    if maker is None or table.empty:
        what = f"the table '{kind}'" if kind else "a table that this package did not make"
        raise UsageError(
            f"there is no chart for {what if maker is None else 'a table without rows'}",
            f"plot one of: {', '.join(_MAKERS)}; or a recording from detbench.read",
        )
    own = str(table.attrs["title"])
    return figure_of(maker(table), own if title is None else title)


def _of_recording(recording: Recording) -> tuple[Chart, str]:
    """The chart of a file, and its title."""
    name = recording.path.name
    if isinstance(recording, Timeline):
        on_cpu = devices(recording.content) == [CPU]
        table = compute_utilization(recording, "class", device=CPU if on_cpu else None)
        return _classes(table), f"{table.attrs['title']}: {name}"
    if isinstance(recording, Counters) and isinstance(recording.content, Launches):
        return _cores(core_utilization(recording)), f"Core utilization: {name}"
    if isinstance(recording, Memory):
        moment = "end (the peak is unknown)" if has_no_peak(recording) else "peak"
        return _categories(memory(recording)), f"Memory at the {moment}: {name}"
    if isinstance(recording, Monitoring):
        drawn = drawn_samples(recording.tables["samples"])
        if drawn.empty:
            raise UsageError(f"{recording.path} has fewer than two samples", "sample for longer")
        return sample_lines(drawn), f"Samples: {name}"
    if isinstance(recording, TrainingHistory) and len(recording.content.reports):
        return _losses(recording), f"Loss: {name}"
    raise UsageError(
        f"there is no chart for {recording.path}, of kind '{recording.kind}'",
        "make a table of it: see the documentation of detbench.plot",
    )


def _rows(table: pd.DataFrame, *named: str) -> pd.DataFrame:
    """The table with a column run: the file if there are several, and the columns `named`."""
    parts: list[pd.Series[str]] = []
    if "file" in table and table["file"].nunique() > 1:
        parts.append(table["file"].map(short_names(list(table["file"].unique()))))
    for name in (name for name in named if name in table):
        parts.append(
            table[name].map(device_name) if name == "device" else table[name].astype("str")
        )
    if not parts:
        names = table["file"].map(lambda file: Path(file).name) if "file" in table else "all"
        return table.assign(run=names)
    label = parts[0].astype("str")
    for part in parts[1:]:
        label = label + " " + part.astype("str")
    return table.assign(run=label)


def _classes(table: pd.DataFrame) -> Chart:
    return share_stacks(_rows(table, "device"), "class")


def _shares_by(level: str) -> Callable[[pd.DataFrame], Chart]:
    return lambda table: share_stacks(_rows(table, "device"), level)


def _busy_by(*named: str) -> Callable[[pd.DataFrame], Chart]:
    return lambda table: busy_and_cores(_rows(table, *named))


def _cores(table: pd.DataFrame, *named: str) -> Chart:
    return busy_and_cores(_rows(table, *named))


def _roofline(table: pd.DataFrame) -> Chart:
    return roofline_points(_rows(table), Peaks(**table.attrs["peaks"]))


def _categories(table: pd.DataFrame) -> Chart:
    return peak_stacks(_rows(table))


def _modules(table: pd.DataFrame) -> Chart:
    return peak_stacks(_rows(table.assign(module=table["module"].replace("", "(none)")), "module"))


def _phases(table: pd.DataFrame) -> Chart:
    if "file" in table:
        raise UsageError("one chart shows the phases of one file", "pass the table of one file")
    return phase_stacks(table)


def _losses(recording: TrainingHistory) -> Chart:
    found = recording.content.curves
    names = [str(c) for c in found if "loss" in str(c) and not found[c].isna().all()]
    return curves(
        ((n, found[["iteration", n]].rename(columns={n: "loss"}).dropna()) for n in names), "loss"
    )


def _accuracies(table: pd.DataFrame) -> Chart:
    rows = _rows(table)
    lines = []
    for metric in (str(c) for c in table if str(c).endswith(ACCURACIES)):
        for run, own in rows.groupby("run", sort=False):
            told = own[["iteration", metric]].dropna().rename(columns={metric: "accuracy (%)"})
            lines.append((metric if rows["run"].nunique() == 1 else f"{run} {metric}", told))
    return curves([(name, own) for name, own in lines if len(own)], "accuracy (%)")


def _speeds(table: pd.DataFrame) -> Chart:
    """Throughput against batch size, from a table of runs."""
    kept = Runs(gather([Path(run) for run in table["run"]]).runs)
    found = speed_table(repeated(kept, "noprofile"))
    if found.empty:
        raise UsageError("no run in mode noprofile succeeded", "only such runs have a throughput")
    return speed_lines(found)


_MAKERS: dict[str, Callable[[pd.DataFrame], Chart]] = {
    "compute_utilization by device": _busy_by("device"),
    "compute_utilization by stream": _busy_by("device", "stream"),
    "compute_utilization by iteration": _busy_by("device", "iteration"),
    "compute_utilization by class": _classes,
    "compute_utilization by kernel": _shares_by("kernel"),
    "compute_utilization by tensor": _shares_by("tensor cores"),
    "compute_utilization by gap": lambda table: gap_bars(_rows(table, "device")),
    "core_utilization by file": _cores,
    "core_utilization by device": _busy_by("device"),
    "core_utilization by class": _busy_by("class"),
    "core_utilization by kernel": _busy_by("kernel"),
    "core_utilization by roofline": _roofline,
    "memory by category": _categories,
    "memory by module": _modules,
    "memory by phase": _phases,
    "evaluations": _accuracies,
    "runs": _speeds,
    "sweep": status_map,
}
