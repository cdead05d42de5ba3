"""The columns of a table: their names (with the unit), types and meanings, declared once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


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
        typed = {c.name: pd.Series(values[c.name], dtype=c.dtype) for c in self.columns}
        others = {name: pd.Series(v) for name, v in values.items() if name not in typed}
        # No copy: a timeline may have ten million rows, and its reader keeps none of them.
        return pd.DataFrame({**typed, **others}, copy=False)


def categorical(codes: npt.NDArray[np.int64], texts: Iterable[str]) -> pd.Categorical[str]:
    """A column of texts; `codes` gives the position of each in `texts`."""
    return pd.Categorical.from_codes(codes, pd.Index(list(texts), dtype="str"))
