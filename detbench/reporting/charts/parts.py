"""What charts share: escaped texts, rows of bars, thinned time series."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

MOST_ROWS: Final = 60
"""Most rows of a readable bar chart; of more, the newest are drawn."""

PALETTE: Final = (
    "#4c86c6", "#e08b3c", "#4fa66b", "#c65b5b", "#9277c2", "#8f7466",
    "#d67fb5", "#8a9199", "#a8a63a", "#3fa9b5",
)  # fmt: skip
"""Colors that are distinct on white and on black."""


class Chart(NamedTuple):
    """The input of plotly: traces and their layout."""

    traces: list[dict[str, Any]]
    layout: dict[str, Any]

    def whole_layout(self) -> dict[str, Any]:
        """The layout, with the settings that all charts share."""
        return {**_COMMON, "showlegend": len(self.traces) > 1, **self.layout}


_COMMON: Final = {
    "margin": {"l": 50, "r": 16, "t": 12, "b": 46},
    "legend": {
        "orientation": "h", "yref": "container", "y": 1, "yanchor": "top",
        "xref": "container", "x": 0.01, "xanchor": "left", "traceorder": "normal",
    },
    "hovermode": "closest",
    "bargap": 0.3,
}  # fmt: skip
_LONGEST = 44  # characters of a name in a legend
_WIDEST = 24  # characters in a line of a row label
_ROW, _LINE, _AROUND = 14, 13, 90  # pixels


def plain(text: object) -> str:
    """A text escaped for plotly, which would take `<b>` and `&lt;` for markup."""
    escaped = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(escaped.split())


def short(text: str) -> str:
    """A label, with its middle cut out if it is too long."""
    if len(text) <= _LONGEST:
        return text
    half = (_LONGEST - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def hover(*lines: str) -> str:
    """A hover text with one line per argument."""
    return "<br>".join(plain(line) for line in lines if line)


def bars(name: str, values: Sequence[float | None], hovers: Sequence[str], **more: Any) -> Any:
    """A trace of horizontal bars, one per row; None has no bar."""
    return {
        "type": "bar",
        "orientation": "h",
        "name": plain(name),
        "x": list(values),
        "y": list(range(len(values))),
        "hovertext": list(hovers),
        "hoverinfo": "text",
        **more,
    }


def row_label(text: str) -> str:
    """A name wrapped into at most three lines, so that narrow screens have room for the bars."""
    lines = textwrap.wrap(text, _WIDEST, break_on_hyphens=False) or [""]
    if len(lines) > 3:
        lines = [*lines[:2], f"{lines[2][: _WIDEST - 1]}…"]
    return hover(*lines)


def rows_layout(labels: Sequence[str], title: str, **more: Any) -> dict[str, Any]:
    """The layout of a chart with one labelled row per run; `title` is that of the x axis."""
    texts = [row_label(label) for label in labels]
    lines = sum(text.count("<br>") + 1 for text in texts)
    return {
        "height": _AROUND + _ROW * max(2, len(labels)) + _LINE * max(2, lines),
        "xaxis": {"title": {"text": plain(title)}, "rangemode": "tozero"},
        "yaxis": {
            "tickvals": list(range(len(labels))),
            "ticktext": texts,
            "tickfont": {"size": 11},
            "autorange": "reversed",
            "automargin": True,
        },
        **more,
    }


def newest(number: int) -> tuple[str, ...]:
    """The note on a chart that draws fewer than its `number` rows."""
    if number <= MOST_ROWS:
        return ()
    return (f"The newest {MOST_ROWS} of {number} are drawn; the CSV has all.",)


def thinned(times: pd.Series, values: pd.Series, most: int) -> tuple[list[float], list[float]]:
    """At most `most` points of a time series: the lowest and the highest of each stretch.

    A mean would hide the peaks. Samples without a value are dropped.
    """
    known = values.notna() & times.notna()
    x, y = times[known].to_numpy(np.float64), values[known].to_numpy(np.float64)
    if len(x) <= most:
        return x.tolist(), y.tolist()
    kept: list[int] = []
    for stretch in np.array_split(np.arange(len(x)), most // 2):
        kept += sorted({stretch[y[stretch].argmin()], stretch[y[stretch].argmax()]})
    return x[kept].tolist(), y[kept].tolist()
