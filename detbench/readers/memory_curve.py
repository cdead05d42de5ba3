"""The timeline that memory mode writes beside its CSV: `timeline_bs<N>.csv`.

Every row is the highest point of a stretch of changes, and the rows of a phase are its stretches
one after another; so a phase's peak is one of its rows, and what lies lower between two rows is
not told. Categories add up to the total in every row, which is the last of the device's levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.schema import Column, Schema
from detbench.readers.text import open_text

CATEGORIES = (
    "weights",
    "buffers",
    "gradients",
    "optimizer state",
    "activations",
    "inputs",
    "temporaries",
    "others",
)
UNATTRIBUTED = "unattributed"
_AT = (
    Column("iteration", "int64", "counted from 0"),
    Column("phase", "str", "data, forward, backward or optimizer"),
    Column("time (ns)", "int64", "since the iteration's start, when memory sank from this point"),
    Column("changes", "int64", "storages that came, went or changed size in the row's stretch"),
)
SCHEMA = Schema(
    (
        *_AT,
        *(Column(f"{name} (bytes)", "int64", "see the memory CSV") for name in CATEGORIES),
        Column(f"{UNATTRIBUTED} (bytes)", "int64", "total - all categories"),
        Column("total (bytes)", "int64", "what the process or the device holds"),
    )
)
_WHOLE = "-?[0-9]{1,18}"
_AGAIN = "run again: bash switch.sh memory && bash run.sh"


def beside(memory_csv: Path) -> Path:
    """The timeline's path, of the memory CSV's; `memory_bs*.csv` does not match it."""
    return memory_csv.with_name(f"timeline_{memory_csv.name.removeprefix('memory_')}")


def columns(levels: Sequence[str]) -> list[str]:
    """A file's columns; `levels` are the device's own figures, which come last."""
    return [*(column.name for column in SCHEMA.columns), *(f"{level} (bytes)" for level in levels)]


def is_memory_curve(head: str) -> bool:
    """Whether a file that begins so is a timeline of ours."""
    return head.startswith(",".join(column.name for column in _AT) + ",")


def read_memory_curve(path: Path) -> pd.DataFrame:
    """Read a timeline, and the device's levels in columns after the schema's.

    Raises:
        BadFileError: it is no such file, a cell is damaged, or a row does not add up.
    """
    with open_text(path) as stream:
        try:
            table = pd.read_csv(stream, dtype="str", keep_default_na=False)
        except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise BadFileError(path, f"not CSV: {error}", _AGAIN) from error
    names = [column.name for column in SCHEMA.columns]
    if list(table.columns[: len(names)]) != names:
        raise BadFileError(path, "the header is none of detbench's memory timeline", _AGAIN)
    if table.empty:
        raise BadFileError(path, "no moment in it", _AGAIN)
    for name in (name for name in table.columns if name != "phase"):
        bad = ~table[name].str.fullmatch(_WHOLE).fillna(False).astype(bool)
        if bad.any():
            raise BadFileError(
                path, f"{name} is no whole number", _AGAIN, place=f"line {int(bad.argmax()) + 2}"
            )
        table[name] = table[name].astype("int64")
    wrong = table[names[len(_AT) : -1]].sum(axis=1) != table["total (bytes)"]
    if wrong.any():
        raise BadFileError(
            path,
            "the categories do not add up to the total",
            _AGAIN,
            place=f"line {int(wrong.argmax()) + 2}",
        )
    return table
