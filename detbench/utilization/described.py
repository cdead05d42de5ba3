"""What a table's numbers are of, said in its `attrs`."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

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
