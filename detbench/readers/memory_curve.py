"""The timeline that memory mode writes beside its CSV: `timeline_bs<N>.csv`.

Each row is the highest point of a stretch of changes, and the rows of a phase are its successive
stretches. So one of the rows is the phase's peak, and lower points between two rows are lost. In
each row the categories add up to the total, which equals the last of the device's levels.
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
    Column("time (ns)", "int64", "since the start of the iteration, when memory fell from here"),
    Column("changes", "int64", "storages allocated, freed or resized in the stretch of the row"),
)
SCHEMA = Schema(
    (
        *_AT,
        *(Column(f"{name} (bytes)", "int64", "see the memory CSV") for name in CATEGORIES),
        Column(f"{UNATTRIBUTED} (bytes)", "int64", "the total minus all categories"),
        Column("total (bytes)", "int64", "the memory that the process or the device holds"),
    )
)
LEVELS_FROM = len(SCHEMA.columns)  # the device's own figures, from this column on


def beside(parts: Path) -> Path:
    """The path of the timeline beside a memory CSV; `memory_bs*.csv` does not match it."""
    return parts.with_name(f"timeline_{parts.name.removeprefix('memory_')}")


def columns(levels: Sequence[str]) -> list[str]:
    """The columns of a file; `levels` are the device's own figures, which come last."""
    return [*(column.name for column in SCHEMA.columns), *(f"{level} (bytes)" for level in levels)]


def is_memory_curve(head: str) -> bool:
    """Whether a file that begins with `head` is one of our timelines."""
    return head.startswith(",".join(column.name for column in _AT) + ",")


def peaks_of(timeline: pd.DataFrame) -> pd.DataFrame:
    """The peak of each phase in the form of the memory CSV, without modules."""
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
    """Read a timeline; the device's levels are in columns after those of the schema.

    Raises:
        BadFileError: it is not such a file, a cell is damaged, or a row does not add up.
    """
    table = read_cells(path)
    names = [column.name for column in SCHEMA.columns]
    if list(table.columns[:LEVELS_FROM]) != names or len(table.columns) == LEVELS_FROM:
        raise BadFileError(path, "the header is not that of detbench's memory timeline", AGAIN)
    if table.empty:
        raise BadFileError(path, "no row in it", AGAIN)
    to_whole(path, table, table.columns.drop("phase"))
    total = table["total (bytes)"]
    wrong = (table[names[len(_AT) : -1]].sum(axis=1) != total) | (table.iloc[:, -1] != total)
    if wrong.any():
        place = f"line {int(wrong.argmax()) + 2}"
        raise BadFileError(path, "the row does not add up to its total", AGAIN, place=place)
    return table.sort_values(["iteration", "time (ns)"], kind="stable", ignore_index=True)
