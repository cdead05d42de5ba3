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
from detbench.readers.memory_csv import AGAIN, read_cells, to_whole
from detbench.readers.memory_csv import SCHEMA as PARTS
from detbench.readers.schema import Column, Schema

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
LEVELS_FROM = len(SCHEMA.columns)  # the device's own figures, from this column on


def beside(parts: Path) -> Path:
    """The timeline's path, of the memory CSV's; `memory_bs*.csv` does not match it."""
    return parts.with_name(f"timeline_{parts.name.removeprefix('memory_')}")


def columns(levels: Sequence[str]) -> list[str]:
    """A file's columns; `levels` are the device's own figures, which come last."""
    return [*(column.name for column in SCHEMA.columns), *(f"{level} (bytes)" for level in levels)]


def is_memory_curve(head: str) -> bool:
    """Whether a file that begins so is a timeline of ours."""
    return head.startswith(",".join(column.name for column in _AT) + ",")


def peaks_of(timeline: pd.DataFrame) -> pd.DataFrame:
    """Every phase's peak as the memory CSV has it, without modules."""
    tracked = timeline["total (bytes)"] - timeline[f"{UNATTRIBUTED} (bytes)"]
    highest = tracked.groupby([timeline["iteration"], timeline["phase"]], sort=False).idxmax()
    named = timeline.loc[highest].rename(columns=lambda name: name.removesuffix(" (bytes)"))
    parts = named.melt(
        ["iteration", "phase"], [*CATEGORIES, UNATTRIBUTED], "category", "bytes"
    ).assign(module=lambda table: table["category"].map({UNATTRIBUTED: "(all)"}).fillna(""))
    columns = [column.name for column in PARTS.columns]
    held = parts[parts["bytes"] != 0]
    return PARTS.table({name: held[name].to_numpy() for name in columns})


def read_memory_curve(path: Path) -> pd.DataFrame:
    """Read a timeline, and the device's levels in columns after the schema's.

    Raises:
        BadFileError: it is no such file, a cell is damaged, or a row does not add up.
    """
    table = read_cells(path)
    names = [column.name for column in SCHEMA.columns]
    if list(table.columns[:LEVELS_FROM]) != names or len(table.columns) == LEVELS_FROM:
        raise BadFileError(path, "the header is none of detbench's memory timeline", AGAIN)
    if table.empty:
        raise BadFileError(path, "no moment in it", AGAIN)
    to_whole(path, table, table.columns.drop("phase"))
    total = table["total (bytes)"]
    wrong = (table[names[len(_AT) : -1]].sum(axis=1) != total) | (table.iloc[:, -1] != total)
    if wrong.any():
        place = f"line {int(wrong.argmax()) + 2}"
        raise BadFileError(path, "it does not add up to the total", AGAIN, place=place)
    return table.sort_values(["iteration", "time (ns)"], kind="stable", ignore_index=True)
