"""What charts share: texts that plotly shows as they are, rows of bars, thinned time lines."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

MOST_ROWS: Final = 60
"""Rows of a bar chart that can still be read; of more the newest are drawn."""

PALETTE: Final = (
    "#4c86c6", "#e08b3c", "#4fa66b", "#c65b5b", "#9277c2", "#8f7466",
    "#d67fb5", "#8a9199", "#a8a63a", "#3fa9b5",
)  # fmt: skip
"""Distinct on white and on black."""


class Chart(NamedTuple):
    """What plotly draws: its traces, and the layout that goes with them."""

    traces: list[dict[str, Any]]
    layout: dict[str, Any]

    def whole_layout(self) -> dict[str, Any]:
        """The layout, with what all charts have in common."""
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
_WIDEST = 24  # characters of a line of a row's label
_ROW, _LINE, _AROUND = 14, 13, 90  # pixels


def plain(text: object) -> str:
    """A text that plotly shows as it stands: it would take `<b>` and `&lt;` for markup."""
    escaped = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(escaped.split())


def short(text: str) -> str:
    """A label, without its middle where it is too long."""
    if len(text) <= _LONGEST:
        return text
    half = (_LONGEST - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def hover(*lines: str) -> str:
    """The text of a hover, a line each."""
    return "<br>".join(plain(line) for line in lines if line)


def bars(name: str, values: Sequence[float | None], hovers: Sequence[str], **more: Any) -> Any:
    """A trace of horizontal bars, a row each; None has no bar."""
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
    """A name on lines that leave room for the bars on a narrow screen, at most three of them."""
    lines = textwrap.wrap(text, _WIDEST, break_on_hyphens=False) or [""]
    if len(lines) > 3:
        lines = [*lines[:2], f"{lines[2][: _WIDEST - 1]}…"]
    return hover(*lines)


def rows_layout(labels: Sequence[str], title: str, **more: Any) -> dict[str, Any]:
    """The layout of a chart with a labelled row a run, and its x axis' title."""
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
    """The note on a chart of `number` rows that draws fewer."""
    if number <= MOST_ROWS:
        return ()
    return (f"The newest {MOST_ROWS} of {number} are drawn; the CSV has all.",)


def thinned(times: pd.Series, values: pd.Series, most: int) -> tuple[list[float], list[float]]:
    """At most `most` points of a time line: the lowest and the highest of every stretch.

    A mean would hide the peaks. Samples without a value are left out.
    """
    known = values.notna() & times.notna()
    x, y = times[known].to_numpy(np.float64), values[known].to_numpy(np.float64)
    if len(x) <= most:
        return x.tolist(), y.tolist()
    kept: list[int] = []
    for stretch in np.array_split(np.arange(len(x)), most // 2):
        kept += sorted({stretch[y[stretch].argmin()], stretch[y[stretch].argmax()]})
    return x[kept].tolist(), y[kept].tolist()
