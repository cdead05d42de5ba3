"""The CSV that memory mode writes: bytes by iteration, phase, category and module."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.schema import Column, Schema
from detbench.readers.text import csv_cells, open_text

SCHEMA = Schema(
    (
        Column("iteration", "Int64", "counted from 0; missing if the file has none"),
        Column(
            "phase", "str", "data, forward, backward or optimizer; in other files their own word"
        ),
        Column("category", "str", "what the memory is used for"),
        Column("module", "str", "the module it belongs to; empty if there is none"),
        Column("bytes", "int64", "at the phase's peak"),
    )
)
TOTAL = "total"
_WHOLE = "-?[0-9]{1,15}"  # up to a petabyte, so that sums fit in int64
AGAIN = "copy it again, or run again: bash switch.sh memory && bash run.sh"


def read_memory_csv(path: Path) -> pd.DataFrame:
    """Read the parts of every snapshot, whose sums have been checked against its total.

    Raises:
        BadFileError: it is not such a file, a row is damaged, or a snapshot's parts do not add up
            to its total, for instance in a truncated file.
    """
    names = [column.name for column in SCHEMA.columns]
    with open_text(path) as stream:
        header = stream.readline()
    if csv_cells(path, header, "line 1") != names:
        raise BadFileError(
            path, f"the header is not {','.join(names)}: not a memory CSV of detbench", AGAIN
        )
    table = read_cells(path)
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
    """The cells of a CSV with a header, as text.

    Raises:
        BadFileError: it is not CSV.
    """
    with open_text(path) as stream:
        try:
            return pd.read_csv(stream, dtype="str", keep_default_na=False)
        except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise BadFileError(path, f"not CSV: {error}", AGAIN) from error


def to_whole(path: Path, table: pd.DataFrame, names: Iterable[str]) -> None:
    """Convert the text in these columns to whole numbers, in place.

    Raises:
        BadFileError: a cell is not a whole number.
    """
    for name in names:
        bad = ~table[name].str.fullmatch(_WHOLE).fillna(False).astype(bool)
        if bad.any():
            place = f"line {int(bad.argmax()) + 2}"
            raise BadFileError(path, f"{name} is not a whole number", AGAIN, place=place)
        table[name] = table[name].astype("int64")
