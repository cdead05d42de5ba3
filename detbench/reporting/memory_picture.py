"""The picture of memory over iterations: stacked areas by category, with the peak marked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from detbench.readers.memory_curve import CATEGORIES, LEVELS_FROM, UNATTRIBUTED
from detbench.reporting.png import new_figure, save

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT = 11.0, 4.2  # inches per file
_MIB = 2.0**20
_MS = 1e6  # ns
_COLORS = dict(zip(CATEGORIES, ("C0", "C9", "C1", "C4", "C2", "C5", "C8", "0.7"), strict=True))
_FAR = 1.5  # times the peak; a higher level would leave no room for the areas
_STYLES = ("-", "--", "-.", ":")


def draw(timelines: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Draw timelines below each other into a new PNG file.

    Args:
        timelines: each timeline by its title.
        path: the new file.

    Raises:
        MissingError: matplotlib is not installed.
        UsageError: the file exists, or cannot be written.
    """
    figure = new_figure("--timeline", _WIDTH, _HEIGHT * len(timelines))
    axes = figure.subplots(len(timelines), squeeze=False)[:, 0]
    for axis, (title, timeline) in zip(axes, timelines.items(), strict=True):
        draw_timeline(axis, timeline, title)
    axes[-1].set_xlabel("time (ms), measured iterations in sequence")
    save(figure, path, "--timeline")


def draw_timeline(axis: Axes, timeline: pd.DataFrame, title: str) -> None:
    """Draw one timeline: tensors as areas, and the device's memory levels as lines above them."""
    lengths = timeline.groupby("iteration", sort=False)["time (ns)"].max()
    starts = lengths.cumsum() - lengths
    time = (timeline["time (ns)"] + timeline["iteration"].map(starts)) / _MS
    sizes = {name: timeline[f"{name} (bytes)"] / _MIB for name in CATEGORIES}
    shown = {name: size for name, size in sizes.items() if size.any()}
    axis.stackplot(time, *shown.values(), labels=shown, colors=[_COLORS[n] for n in shown])
    tracked = (timeline["total (bytes)"] - timeline[f"{UNATTRIBUTED} (bytes)"]) / _MIB
    peak = int(tracked.argmax())
    height, moment = float(tracked.iloc[peak]), float(time.iloc[peak])
    levels = timeline.columns[LEVELS_FROM:]
    for name, style in zip(levels, _STYLES, strict=False):
        level = timeline[name] / _MIB
        label = name.removesuffix(" (bytes)")
        if level.max() < _FAR * height:
            axis.plot(time, level, style, color="0.2", linewidth=1, label=label)
        else:
            text = f"({label}, not drawn: {level.min():,.0f} to {level.max():,.0f} MiB)"
            axis.plot([], [], " ", label=text)
    axis.plot(moment, height, "v", color="black", clip_on=False)
    at = timeline.iloc[peak]
    axis.annotate(
        f"peak {height:,.1f} MiB, {at['phase']}, iteration {at['iteration']}",
        (moment, height),
        xytext=(0, 7),
        textcoords="offset points",
        ha="left" if moment < time.max() / 2 else "right",
        fontsize=8,
    )
    for start in starts:
        axis.axvline(start / _MS, color="0.4", linewidth=0.6, linestyle=":")
    axis.margins(x=0)
    axis.set_ylim(0, axis.get_ylim()[1] * 1.08)
    axis.set_ylabel("memory (MiB)")
    axis.set_title(title, fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    handles, labels = axis.get_legend_handles_labels()
    axis.legend(
        handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8,
        frameon=False,
    )  # fmt: skip
