"""What all tables of the API share: `attrs` with title, window, denominator and units."""

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
    """The table, with `attrs` that describe its numbers.

    Args:
        table: any table; it is changed in place.
        kind: the kind of table, such as `compute_utilization by class`; `detbench.plot` picks the
            chart by it.
        title: the heading that the command line prints.
        window: the time or the iterations that the table covers.
        denominator: what shares are relative to, or what means are taken over.
        count: the number of kernels, iterations or samples counted.
        notes: one sentence each: why a figure is missing, and what else a reader has to know.
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
    """Units by column, for columns that name one: `busy (ms)` is in ms, `images/s` in images/s."""
    found = {str(name): _UNIT.search(str(name)) for name in table.columns}
    return {name: unit[1] or unit[2] for name, unit in found.items() if unit}


def stack(tables: Mapping[Path, pd.DataFrame], *, always: bool = False) -> pd.DataFrame:
    """Concatenate the tables of several files, with the file as the first column.

    A single table stays as it is, unless `always` is set.
    """
    if len(tables) == 1 and not always:
        return next(iter(tables.values()))
    columns = dict.fromkeys(name for table in tables.values() for name in table.columns)
    return pd.concat([table.assign(file=str(file)) for file, table in tables.items()])[
        ["file", *columns]
    ]


def of_file(file: Path, remedy: str, function: Callable[..., T], *arguments: Any) -> T:
    """The result of a formula on a file's table; a ValueError is blamed on the file.

    Raises:
        BadFileError: the formula raised ValueError.
    """
    try:
        return function(*arguments)
    except ValueError as error:
        raise BadFileError(file, str(error), remedy) from error


def joined(texts: Iterable[str]) -> str:
    """The distinct, non-empty texts, joined."""
    return "; ".join(dict.fromkeys(text for text in texts if text))


def short_names(files: Sequence[str]) -> dict[str, str]:
    """Each file's path relative to the folder that contains all of them."""
    folders = [Path(file).parent.absolute() for file in files]
    folder = os.path.commonpath(folders) if folders else ""
    return {file: str(Path(file).absolute().relative_to(folder)) for file in files}
