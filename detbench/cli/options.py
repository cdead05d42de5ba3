"""Options that several verbs share, and printing tables."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import pandas as pd

F = TypeVar("F", bound=Callable[..., Any])

# Spelled here as well as in report.tables, which imports pandas: --help has to be instant.
FORMATS = ("table", "csv", "json", "md")


def files_argument(function: F) -> F:
    """One or more input files."""
    return click.argument(
        "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
    )(function)


def format_option(default: str | None = "table") -> Callable[[F], F]:
    """How the table is printed."""
    return click.option(
        "--format", "style", type=click.Choice(FORMATS), default=default, help="How to print it."
    )


def print_table(table: pd.DataFrame, style: str, title: str = "") -> None:
    """Print a table on stdout, in colour only where that is a terminal."""
    from detbench.report.tables import render

    click.echo(render(table, style, title=title, color=sys.stdout.isatty()))  # type: ignore[arg-type]
