"""Renders a table as text: to read, for a spreadsheet, or for a script."""

from __future__ import annotations

import io
import json
import os
from typing import Literal, get_args

import pandas as pd

Format = Literal["table", "csv", "json", "md"]
FORMATS: tuple[str, ...] = get_args(Format)

_MISSING = "n/a"
_PIPE_WIDTH = 200


def render(
    table: pd.DataFrame, style: Format, *, title: str = "", is_terminal: bool = False
) -> str:
    """The table as text, without a trailing newline.

    A missing value is empty in CSV, null in JSON and `n/a` otherwise. CSV and JSON keep full
    precision; the others are rounded. Only for a terminal, lines are folded to its width and
    coloured, unless the environment has NO_COLOR (no-color.org).
    """
    if style == "csv":
        return table.to_csv(index=False).rstrip("\n")
    if style == "json":
        rows = json.loads(table.to_json(orient="records", double_precision=15))
        return json.dumps(rows, indent=2, ensure_ascii=False)
    cells = [[cell(value) for value in row] for row in table.itertuples(index=False)]
    if style == "md":
        return _markdown([str(c) for c in table.columns], cells, title)
    return _for_the_eye(table, cells, title, is_terminal)


def cell(value: object) -> str:
    """A value to read: rounded, or `n/a` if missing."""
    if pd.isna(value):  # type: ignore[call-overload]
        return _MISSING
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _markdown(columns: list[str], cells: list[list[str]], title: str) -> str:
    def line(values: list[str]) -> str:
        return "| " + " | ".join(v.replace("|", "\\|").replace("\n", " ") for v in values) + " |"

    heading = [f"**{title}**", ""] if title else []
    return "\n".join([*heading, line(columns), line(["---"] * len(columns)), *map(line, cells)])


def _for_the_eye(table: pd.DataFrame, cells: list[list[str]], title: str, is_terminal: bool) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD)
    for name, dtype in zip(table.columns, table.dtypes, strict=True):
        numeric = pd.api.types.is_numeric_dtype(dtype)
        shown.add_column(Text(str(name)), justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        # Text, not markup: kernel names contain brackets.
        shown.add_row(*(Text(value) for value in row))
    sink = io.StringIO()
    # Piped output is not folded to a terminal's width.
    console = Console(
        file=sink,
        force_terminal=is_terminal,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        width=None if is_terminal else _PIPE_WIDTH,
    )
    console.print(shown)
    lines = [line.rstrip() for line in sink.getvalue().rstrip().splitlines()]
    return "\n".join([title, *lines] if title else lines)
