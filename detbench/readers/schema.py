"""The columns of a table: their names (with the unit), types and meanings, declared once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import union_categoricals

_BLOCK = 1 << 16


@dataclass(frozen=True)
class Column:
    """One column; `dtype` is pandas' name for its type."""

    name: str
    dtype: str
    meaning: str


@dataclass(frozen=True)
class Schema:
    """The columns that a reader returns, in order."""

    columns: tuple[Column, ...]

    def table(
        self, values: Mapping[str, Sequence[Any] | npt.NDArray[Any] | pd.Categorical[Any]]
    ) -> pd.DataFrame:
        """A table with these columns, followed by any others in `values`."""
        # No copy: a timeline may have ten million rows, and its reader keeps none of them.
        typed = {c.name: pd.Series(values[c.name], dtype=c.dtype, copy=False) for c in self.columns}
        others = {name: pd.Series(v, copy=False) for name, v in values.items() if name not in typed}
        return pd.DataFrame({**typed, **others}, copy=False)


def categorical(codes: npt.NDArray[np.integer[Any]], texts: Iterable[str]) -> pd.Categorical[str]:
    """A column of texts; `codes` gives the position of each in `texts`."""
    return pd.Categorical.from_codes(codes, pd.Index(list(texts), dtype="str"))


def stacked(parts: Sequence[pd.Categorical[str]]) -> pd.Categorical[str]:
    """Columns of texts one below the other."""
    return parts[0] if len(parts) == 1 else union_categoricals(list(parts))


def joined(parts: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Columns of numbers one below the other."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def blocks(length: int) -> Iterator[slice]:
    """The rows of a long table, so many at a time that what is made of them stays in the cache."""
    return (slice(first, first + _BLOCK) for first in range(0, length, _BLOCK))
