"""What all tables of the API have in common: what their numbers are of, said in `attrs`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from detbench.errors import BadFileError

T = TypeVar("T")

_UNIT = re.compile(r"\(([^()]+)\)$|\b(images/s)$")
_LONG_UNITS = re.compile(
    r"^(%|ns|us|ms|s|min|J|W|C|MHz|B|bytes|MiB|MiB/s|GiB|cores|images/s|s/\w+)$"
)


def described(
    table: pd.DataFrame,
    *,
    kind: str,
    title: str,
    window: str,
    denominator: str,
    count: str,
    notes: Iterable[str] = (),
) -> pd.DataFrame:
    """The table, with what its numbers are of in `attrs`.

    Args:
        table: any.
        kind: which table it is, by which `detbench.plot` knows it: `compute_utilization by class`.
        title: its heading, as the command line prints it.
        window: the time or the iterations that it is about.
        denominator: what its shares are shares of, or what its means are means over.
        count: how many things were counted: kernels, iterations, samples.
        notes: a sentence each: why a figure is missing, and what a reader has to know.
    """
    table.attrs = {
        "kind": kind,
        "title": title,
        "window": window,
        "denominator": denominator,
        "count": count,
        "units": units(table),
        "notes": list(notes),
    }
    return table


def units(table: pd.DataFrame) -> dict[str, str]:
    """The units of the columns that name one: `busy (ms)` is in ms, `images/s` in images/s."""
    found = {str(name): _UNIT.search(str(name)) for name in table.columns}
    return {name: unit[1] or unit[2] for name, unit in found.items() if unit}


def stack(tables: Mapping[Path, pd.DataFrame], *, always: bool = False) -> pd.DataFrame:
    """One table of several files' tables, told apart by a first column where there are several."""
    if len(tables) == 1 and not always:
        return next(iter(tables.values()))
    columns = dict.fromkeys(name for table in tables.values() for name in table.columns)
    return pd.concat([table.assign(file=str(file)) for file, table in tables.items()])[
        ["file", *columns]
    ]


def of_file(file: Path, remedy: str, function: Callable[..., T], *arguments: Any) -> T:
    """What a formula makes of a file's table; that it cannot is the file's fault.

    Raises:
        BadFileError: the formula raised ValueError.
    """
    try:
        return function(*arguments)
    except ValueError as error:
        raise BadFileError(file, str(error), remedy) from error


def joined(texts: Iterable[str]) -> str:
    """Different texts of several files, each once."""
    return "; ".join(dict.fromkeys(text for text in texts if text))


def short_names(files: Sequence[str]) -> dict[str, str]:
    """Every file's path without the folders that all of them are in."""
    folders = [Path(file).parent.absolute() for file in files]
    folder = os.path.commonpath(folders) if folders else ""
    return {file: str(Path(file).absolute().relative_to(folder)) for file in files}
