"""Describes a table in its `attrs`: title, window, denominator, count, units and notes."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

_UNIT = re.compile(
    r"^(?:(s) / iteration|(images/s)) \((?:mean|median)\)$|\(([^()]+)\)$|\b(images/s)$"
)
_LONG_UNITS = re.compile(
    r"^(%|ns|us|ms|s|min|J|W|C|MHz|B|bytes|MiB|MiB/s|GiB|cores|images/s|s/\w+)$"
)
# In percent, but of something that they may exceed.
_NO_SHARES = ("CPU", "error", "share of the difference", "efficiency")
_ROUNDING = 1e-3  # tools print few digits

REASON, NOTE = "reason for n/a", "note"
"""Columns of words about a row's figures: why one is missing, and what they are of."""


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
        "notes": [*notes, *_above_all(table)],
    }
    return table


def _above_all(table: pd.DataFrame) -> list[str]:
    """Notes on shares above 100 %, which no share of a whole can be."""
    found = []
    for name in table.select_dtypes("number"):
        if not str(name).endswith("(%)") or str(name).startswith(_NO_SHARES):
            continue
        above = table[name] > 100 * (1 + _ROUNDING)
        if above.any():
            found.append(
                f"{name} is above 100 in {int(above.sum()):,} of {len(table):,} rows (at most"
                f" {float(table[name].max()):,.4g}): no share can be, so what it was computed from"
                " does not fit together"
            )
    return found


def units(table: pd.DataFrame) -> dict[str, str]:
    """Units by column, for columns that name one: `busy (ms)` is in ms, `images/s` in images/s."""
    found = {str(name): _UNIT.search(str(name)) for name in table.columns}
    return {name: next(filter(None, unit.groups())) for name, unit in found.items() if unit}
