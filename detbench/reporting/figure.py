"""A chart as a plotly figure, for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detbench.errors import MissingError
from detbench.reporting.charts.parts import Chart, plain

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_TITLE_HEIGHT, _LEGEND_LINE, _LEGEND_COLUMNS = 46, 20, 5  # pixels; names in a legend line


def figure_of(chart: Chart, title: str) -> Figure:
    """The figure, with the title on top and the legend between title and plot.

    Raises:
        MissingError: plotly is not installed.
    """
    try:
        from plotly.graph_objects import Figure
    except ModuleNotFoundError as error:
        raise MissingError(
            f"a figure needs the Python package {error.name}",
            "in the checkout: pip install '.[report]'",
        ) from error
    layout = chart.whole_layout()
    named = [trace for trace in chart.traces if trace.get("showlegend") is not False]
    lines = -(-len(named) // _LEGEND_COLUMNS) if layout["showlegend"] else 0
    top = _TITLE_HEIGHT + _LEGEND_LINE * lines
    layout["margin"] = {**layout["margin"], "t": top}
    # The legend stays above the plot at any height; inside, it would hide rows.
    layout["legend"] = {
        "orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "xanchor": "left",
        "traceorder": "normal",
    }  # fmt: skip
    layout["height"] = layout["height"] + top
    layout["title"] = {"text": plain(title), "x": 0.01, "y": 1, "yanchor": "top", "pad": {"t": 14}}
    return Figure(data=chart.traces, layout={**layout, "template": "plotly_white"})
