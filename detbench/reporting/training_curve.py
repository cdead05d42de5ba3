"""The picture of training curves: losses, learning rate and AP over the iterations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detbench.readers.training_log import TrainingLog, metrics_of, restarts
from detbench.reporting.png import new_figure, save

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_WIDTH = 10.0  # inches
_HEIGHTS = {"loss": 3.6, "learning rate": 1.7, "AP (%)": 2.8}
_LOG_SCALE_FROM = 50  # ratio of largest to smallest loss above which the curve's end looks flat
_NUM_COLORS = 10  # in matplotlib's cycle
_LONGEST_TITLE = 90  # characters
_MANY = 60  # points from which markers would clutter a curve
_AP_STYLES = {"box AP": "-", "mask AP": "--"}


def draw(logs: Mapping[str, TrainingLog], path: Path) -> None:
    """Draw trainings into a new PNG file.

    One training shows every loss that it reports; several, from one log or more, show their total
    losses.

    Args:
        logs: each log by its name in the legend.
        path: the new file.

    Raises:
        MissingError: matplotlib is not installed.
        UsageError: the file exists, or cannot be written.
    """
    several = sum(len(_trainings(log)) for log in logs.values()) > 1
    panels = _panels(logs)
    height = 1.0 + sum(_HEIGHTS[name] for name in panels)
    figure = new_figure("--plot", _WIDTH, height)
    from matplotlib.ticker import MaxNLocator

    axes = figure.subplots(
        len(panels), sharex=True, squeeze=False, height_ratios=[_HEIGHTS[name] for name in panels]
    )[:, 0]
    by_name: dict[str, Axes] = dict(zip(panels, axes, strict=True))
    for name, axis in by_name.items():
        axis.set_ylabel(name)
        axis.grid(visible=True, color="0.92")
        axis.spines[["top", "right"]].set_visible(False)
    _draw_all(by_name, logs, several=several)
    if several:  # file names are long, and there is room below the panels
        shown = [h for h in axes[0].get_lines() if not str(h.get_label()).startswith("_")]
        figure.legend(handles=shown, loc="outside lower left", fontsize=8, frameon=False)
    axes[-1].set_xlabel("iteration, counted from 0")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    title = ", ".join(logs)
    figure.suptitle(title if len(title) < _LONGEST_TITLE else f"{len(logs)} logs", fontsize=11)
    save(figure, path, "--plot")


def _trainings(log: TrainingLog) -> list[int]:
    return sorted({process.training for process in log.processes})


def _panels(logs: Mapping[str, TrainingLog]) -> list[str]:
    has_lr = any("lr" in log.curves for log in logs.values())
    has_ap = any(_ap(log) for log in logs.values())
    return ["loss", *["learning rate"] * has_lr, *["AP (%)"] * has_ap]


def _ap(log: TrainingLog) -> list[str]:
    return [name for name in metrics_of(log.evaluations) if name.endswith((" AP", " mAP"))]


def _draw_all(axes: Mapping[str, Axes], logs: Mapping[str, TrainingLog], *, several: bool) -> None:
    number = 0
    losses: list[float] = []
    for name, log in logs.items():
        numbers = _trainings(log)
        for training in numbers:
            own = log.curves[log.curves["training"] == training]
            label = name if len(logs) > 1 else ""
            if len(numbers) > 1:
                label = f"{label}, training {training}".removeprefix(", ")
            color = f"C{number % _NUM_COLORS}"
            losses += _draw_losses(axes["loss"], own, label, color)
            if "learning rate" in axes and "lr" in own:
                axis = axes["learning rate"]
                axis.plot(own["iteration"], own["lr"], color=color, **_marks(len(own)))
            if "AP (%)" in axes:
                _draw_ap(axes["AP (%)"], log, training, color if several else None)
            _mark_restarts(axes, log, training, color if several else "0.45")
            number += 1
    smallest, largest = min(losses, default=1), max(losses, default=1)
    if smallest > 0 and largest > _LOG_SCALE_FROM * smallest:
        axes["loss"].set_yscale("log")
    beside: dict[str, Any] = {
        "fontsize": 8,
        "frameon": False,
        "loc": "upper left",
        "bbox_to_anchor": (1, 1),
    }
    if not several:
        axes["loss"].legend(**beside)
    if "AP (%)" in axes:
        axis = axes["AP (%)"]
        handles, labels = axis.get_legend_handles_labels()
        once = dict(zip(reversed(labels), reversed(handles), strict=True))
        axis.legend(list(once.values())[::-1], list(once)[::-1], **beside)


def _draw_losses(axis: Axes, own: pd.DataFrame, label: str, color: str) -> list[float]:
    """Draw a training's losses, or only the total if it has a label; return the drawn values."""
    names = [c for c in own.columns if "loss" in c and not own[c].isna().all()]
    names.sort(key=lambda c: c != "total_loss")
    drawn: list[float] = []
    for index, name in enumerate(names[:1] if label else names):
        axis.plot(
            own["iteration"],
            own[name],
            label=label or name,
            linewidth=1.4 if index == 0 else 0.9,
            color=color if index == 0 else f"C{index % _NUM_COLORS}",
            **_marks(len(own)),
        )
        drawn += own[name].dropna().tolist()
    return drawn


def _marks(num_points: int) -> dict[str, Any]:
    """Markers for curves with few points: a single point has no line."""
    return {"marker": "o", "markersize": 3.5} if num_points < _MANY else {}


def _draw_ap(axis: Axes, log: TrainingLog, training: int, color: str | None) -> None:
    """Draw a training's AP, with a line style per metric and, without `color`, a color each."""
    own = log.evaluations[log.evaluations["training"] == training]
    for index, metric in enumerate(_ap(log)):
        told = own[["iteration", metric]].dropna()
        if told.empty:
            continue
        axis.plot(
            told["iteration"].astype(int),
            told[metric],
            label=metric,
            color=color or f"C{index}",
            linestyle=_AP_STYLES.get(metric, ":"),
            **_marks(len(told)),
        )


def _mark_restarts(axes: Mapping[str, Axes], log: TrainingLog, training: int, color: str) -> None:
    for process in (p for p in restarts(log.processes) if p.training == training):
        for name, axis in axes.items():
            known = axis.get_legend_handles_labels()[1]
            axis.axvline(
                process.start,
                color=color,
                linestyle=(0, (4, 3)),
                linewidth=0.9,
                label="restart" if name == "loss" and "restart" not in known else None,
            )
