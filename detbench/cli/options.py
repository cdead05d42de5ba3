"""Options that several verbs share, and the printing of tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from detbench.cli.completion import of_families
from detbench.cli.files import expand
from detbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

F = TypeVar("F", bound=Callable[..., Any])

# Repeats reporting.tables.FORMATS: that module imports pandas, and --help has to be instant.
FORMATS = ("table", "csv", "json", "md")
# Repeats records.spec.Precision: that module imports pydantic.
PRECISIONS = ("fp32", "tf32", "amp", "bf16")
_FOR_THE_EYE = ("table", "md")
_JSON = "detbench.json"


def family_argument(default: str | None = None) -> Callable[[F], F]:
    """The argument FAMILY of a verb."""
    if default is None:  # click would take an explicit None for a default, too
        return click.argument("family", shell_complete=of_families)
    return click.argument("family", default=default, shell_complete=of_families)


def files_argument(function: F) -> F:
    """One or more input files or quoted glob patterns; the verb gets paths."""
    return click.argument("files", nargs=-1, required=True, metavar="FILE...", callback=_expand)(
        function
    )


def _expand(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[Path, ...]:
    return expand(given)


def format_option(default: str | None = "table", more: tuple[str, ...] = ()) -> Callable[[F], F]:
    """The options --format and --json; the verb gets one of `FORMATS` or `more` as `style`."""

    def decorate(function: F) -> F:
        short = click.option(
            "--json",
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_remember_json,
            help="The same as --format json.",
        )
        long = click.option(
            "--format",
            "style",
            type=click.Choice((*FORMATS, *more)),
            default=default,
            callback=_style,
            help="The output format.",
        )
        return long(short(function))

    return decorate


def _remember_json(context: click.Context, _: click.Parameter, given: bool) -> None:
    context.meta[_JSON] = given


def _style(context: click.Context, parameter: click.Parameter, style: str | None) -> str | None:
    if not context.meta.get(_JSON):
        return style
    named = context.get_parameter_source("style") is ParameterSource.COMMANDLINE
    if named and style != "json":
        raise click.UsageError(f"--json and --format {style} exclude each other", context)
    return "json"


def output_option(function: F) -> F:
    """The option --output: a new file for the tables, instead of stdout."""
    return click.option(
        "--output",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A new file to write to instead of stdout.",
    )(function)


def print_table(table: pd.DataFrame, style: str, title: str | None = None) -> None:
    """Print a table to stdout, under `title` or its own title; its notes are the caller's."""
    _write({"": table}, style, None, title)


def show(
    tables: Mapping[str, pd.DataFrame],
    style: str,
    output: Path | None,
    in_notes: Collection[str] = (),
) -> None:
    """Print tables under their titles to stdout, or write them to a new file; notes to stderr.

    JSON of one table is its rows; of several it is an object: the rows of each by its name, and
    `notes`. A table's title and notes are in its `attrs`. Columns `in_notes` have words that the
    notes have, too: only data has them, as a table to read says them once.

    Raises:
        UsageError: the file exists, or cannot be written.
    """
    if style in _FOR_THE_EYE:
        shown = {
            name: table.drop(columns=[each for each in in_notes if each in table])
            for name, table in tables.items()
        }
    else:
        shown = dict(tables)
    _write(shown, style, output, None)
    for note in notes_of(tables.values()):
        click.echo(note, err=True)


def notes_of(tables: Iterable[pd.DataFrame]) -> list[str]:
    """The notes beside tables, each once."""
    return list(dict.fromkeys(note for table in tables for note in table.attrs.get("notes", ())))


def _write(
    tables: Mapping[str, pd.DataFrame], style: str, output: Path | None, title: str | None
) -> None:
    from detbench.reporting.tables import render, rows_of

    if style == "json" and len(tables) > 1:
        told: dict[str, Any] = {name: rows_of(table) for name, table in tables.items()}
        told["notes"] = notes_of(tables.values())
        texts = [json.dumps(told, indent=2, ensure_ascii=False)]
    else:
        is_terminal = output is None and sys.stdout.isatty()
        for_the_eye = style in _FOR_THE_EYE
        texts = [
            render(
                _shortened(table) if for_the_eye else table,
                style,  # type: ignore[arg-type]
                title=table.attrs.get("title", "") if title is None else title,
                is_terminal=is_terminal,
            )
            for table in tables.values()
        ]
    if output is None:
        click.echo("\n\n".join(texts))
        return
    from detbench.new_file import new_file

    with new_file(output, "--output") as stream:
        stream.write(("\n\n".join(texts) + "\n").encode("utf-8", "backslashreplace"))


def targets(target: str) -> dict[str, float]:
    """Metrics and percentages from the value of `--target`.

    Raises:
        UsageError: a part of it is not NAME=PERCENT.
    """
    goals: dict[str, float] = {}
    for part in target.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        try:
            goals[name if " " in name else f"{name} AP"] = float(value)
        except ValueError:
            name = ""
        if not name:
            raise UsageError(
                f"--target: '{part}' is no NAME=PERCENT", "write it as in box=37.7,mask=33.9"
            )
    return goals


def _shortened(table: pd.DataFrame) -> pd.DataFrame:
    """The table for print: no energy if no row has it, files without the folder that they share."""
    if "J/image" in table and table["J/image"].isna().all():
        table = table.drop(columns="J/image")
    if "file" not in table or not table["file"].map(lambda value: isinstance(value, str)).all():
        return table  # a query's column may have any name
    from detbench.api.tables import short_names

    return table.assign(file=table["file"].map(short_names(table["file"].unique().tolist())))
