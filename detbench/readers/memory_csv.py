"""The CSV that memory mode writes: bytes by iteration, phase, category and module."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.schema import Column, Schema
from detbench.readers.text import open_text

SCHEMA = Schema(
    (
        Column("iteration", "Int64", "counted from 0; missing where the file does not tell"),
        Column(
            "phase", "str", "data, forward, backward or optimizer; other files' own word for when"
        ),
        Column("category", "str", "what the memory is there for"),
        Column("module", "str", "the module it belongs to; empty where none does"),
        Column("bytes", "int64", "at the phase's peak"),
    )
)
TOTAL = "total"
_WHOLE = "-?[0-9]{1,15}"  # a petabyte: sums of it fit
AGAIN = "run again: bash switch.sh memory && bash run.sh"


def read_memory_csv(path: Path) -> pd.DataFrame:
    """Read the parts of every snapshot, whose sums have been checked against its total.

    Raises:
        BadFileError: it is no such file, a row is damaged, or a snapshot's parts do not add up
            to its total, as when the file was cut short.
    """
    table = read_cells(path)
    names = [column.name for column in SCHEMA.columns]
    if list(table.columns) != names:
        raise BadFileError(
            path, f"the header is not {','.join(names)}: not a memory CSV of detbench", AGAIN
        )
    to_whole(path, table, ["iteration", "bytes"])
    table["iteration"] = table["iteration"].astype("Int64")
    is_total = table["category"] == TOTAL
    parts = table[~is_total]
    sums = parts.groupby(["iteration", "phase"])["bytes"].sum()
    totals = table[is_total].set_index(["iteration", "phase"])["bytes"]
    if table.empty:
        raise BadFileError(path, "no snapshot in it", AGAIN)
    if not totals.index.is_unique or not sums.sort_index().equals(totals.sort_index()):
        raise BadFileError(path, "the parts do not add up to the totals: cut short?", AGAIN)
    return parts.reset_index(drop=True)


def read_cells(path: Path) -> pd.DataFrame:
    """The texts of a CSV with a header.

    Raises:
        BadFileError: it is none.
    """
    with open_text(path) as stream:
        try:
            return pd.read_csv(stream, dtype="str", keep_default_na=False)
        except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise BadFileError(path, f"not CSV: {error}", AGAIN) from error


def to_whole(path: Path, table: pd.DataFrame, names: Iterable[str]) -> None:
    """Make whole numbers of the texts in these columns.

    Raises:
        BadFileError: one is none.
    """
    for name in names:
        bad = ~table[name].str.fullmatch(_WHOLE).fillna(False).astype(bool)
        if bad.any():
            place = f"line {int(bad.argmax()) + 2}"
            raise BadFileError(path, f"{name} is no whole number", AGAIN, place=place)
        table[name] = table[name].astype("int64")
