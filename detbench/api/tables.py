"""Tables of one file or several, and the names of files for the eye."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from detbench.errors import BadFileError, UsageError

T = TypeVar("T")


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


def only(
    file: Path, table: pd.DataFrame, column: str, wanted: str | None, what: str
) -> pd.DataFrame:
    """The rows of a file's table whose `column` is `wanted`; all of them for None.

    Raises:
        UsageError: there is no such row; names the values there are of `what`.
    """
    if wanted is None:
        return table
    found: pd.DataFrame = table[table[column] == wanted]
    if found.empty:
        known = ", ".join(map(str, table[column].unique()))
        raise UsageError(f"{file} has no {what} '{wanted}'", f"it has: {known or 'none'}")
    return found


def check_level(by: str, known: Sequence[str]) -> None:
    """Refuse a level that a kind of table does not have.

    Raises:
        UsageError: it is none of the `known` ones.
    """
    if by not in known:
        raise UsageError(f"no table by '{by}'", f"known: {', '.join(known)}")


def joined(texts: Iterable[str]) -> str:
    """The distinct, non-empty texts, joined."""
    return "; ".join(dict.fromkeys(text for text in texts if text))


def short_names(files: Sequence[str]) -> dict[str, str]:
    """Each file's path relative to the folder that contains all of them."""
    folders = [Path(file).parent.absolute() for file in files]
    folder = os.path.commonpath(folders) if folders else ""
    return {file: str(Path(file).absolute().relative_to(folder)) for file in files}
