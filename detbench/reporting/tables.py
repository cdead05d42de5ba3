"""Renders a table as text: to read, for a spreadsheet, or for a script."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any, Literal, get_args

import pandas as pd

if TYPE_CHECKING:
    from rich.console import Console

Format = Literal["table", "csv", "json", "md"]
FORMATS: tuple[str, ...] = get_args(Format)

_MISSING = "n/a"
_PIPE_WIDTH = 200
_TEXT_WIDTH = 12  # a text column may be folded to this
_PADDING = 3  # beside a cell, as rich draws it
_EDGES = 1
_MOST_REPEATED = 3  # columns


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
        return json.dumps(rows_of(table), indent=2, ensure_ascii=False)
    cells = [[cell(value) for value in row] for row in table.itertuples(index=False)]
    if style == "md":
        return _markdown([str(c) for c in table.columns], cells, title)
    return _for_the_eye(table, cells, title, is_terminal)


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as JSON has them, at full precision; a missing value is None."""
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return rows


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
    """The table drawn by rich; one that is too wide is folded into several, one below the other."""
    from rich.console import Console

    sink = io.StringIO()
    # Piped output is not folded to a terminal's width.
    console = Console(
        file=sink,
        force_terminal=is_terminal,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        width=None if is_terminal else _PIPE_WIDTH,
    )
    for columns in _folds(table, cells, console.width):
        _draw(console, table, cells, columns)
    lines = [line.rstrip() for line in sink.getvalue().rstrip().splitlines()]
    return "\n".join([title, *lines] if title else lines)


def _draw(
    console: Console, table: pd.DataFrame, cells: list[list[str]], columns: list[int]
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD)
    for at, width in zip(columns, _widths(table, cells, columns, console.width), strict=True):
        justify: Literal["left", "right"] = "right" if _is_numeric(table, at) else "left"
        shown.add_column(
            Text(str(table.columns[at])), justify=justify, width=width, overflow="fold"
        )
    for row in cells:
        # Text, not markup: kernel names contain brackets.
        shown.add_row(*(Text(row[at]) for at in columns))
    console.print(shown)


def _widths(
    table: pd.DataFrame, cells: list[list[str]], columns: list[int], width: int
) -> list[int]:
    """The widths of columns: what each needs, and of the room that is left what it can use.

    Left to itself rich narrows the widest columns first, and breaks the numbers in them.
    """
    found = [_need(table, cells, at) for at in columns]
    whole = [max(len(str(table.columns[at])), _longest(cells, at)) for at in columns]
    left = width - _EDGES - sum(need + _PADDING for need in found)
    while left > 0 and found != whole:
        for index, most in enumerate(whole):
            if left > 0 and found[index] < most:
                found[index] += 1
                left -= 1
    return found


def _folds(table: pd.DataFrame, cells: list[list[str]], width: int) -> list[list[int]]:
    """The columns of each part that fits `width`. What tells rows apart is repeated in each."""
    every = list(range(len(table.columns)))
    needs = [_need(table, cells, at) + _PADDING for at in every]
    if sum(needs) + _EDGES <= width:
        return [every]
    most = range(1, _MOST_REPEATED + 1)
    lead = next((n for n in most if not table.iloc[:, :n].duplicated().any()), 1)
    repeated, room = every[:lead], width - _EDGES - sum(needs[:lead])
    parts, left = [list(repeated)], room
    for at in every[lead:]:
        if needs[at] > left and len(parts[-1]) > lead:
            parts.append(list(repeated))
            left = room
        parts[-1].append(at)
        left -= needs[at]
    return parts


def _need(table: pd.DataFrame, cells: list[list[str]], at: int) -> int:
    """The least width of a column: numbers are not broken, nor are the words of its name."""
    words = max((len(word) for word in str(table.columns[at]).split()), default=0)
    longest = _longest(cells, at)
    return max(words, longest if _is_numeric(table, at) else min(longest, _TEXT_WIDTH))


def _longest(cells: list[list[str]], at: int) -> int:
    return max((len(row[at]) for row in cells), default=0)


def _is_numeric(table: pd.DataFrame, at: int) -> bool:
    return bool(pd.api.types.is_numeric_dtype(table.dtypes.iloc[at]))
