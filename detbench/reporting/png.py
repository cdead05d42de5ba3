"""Figures for new PNG files, without a display and without pyplot's global state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from detbench.errors import MissingError
from detbench.new_file import new_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 110


def new_figure(option: str, width: float, height: float) -> Figure:
    """An empty figure of a size in inches; `option` is the option that asked for it.

    Raises:
        MissingError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingError(
            f"{option} needs the Python package {error.name}",
            "in the checkout: pip install '.[plot]'",
        ) from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path, option: str) -> None:
    """Write a figure to a new file.

    Raises:
        UsageError: the file exists, or cannot be written.
    """
    with new_file(path, option) as stream:
        figure.savefig(stream, format="png", dpi=_DPI)
