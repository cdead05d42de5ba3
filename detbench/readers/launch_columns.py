"""Columns of a table of launches while it is read: numbers in arrays, few texts at a time."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pandas as pd

from detbench.readers.numbers import NoNumberError, Notation, Numbers
from detbench.readers.schema import categorical

Integers = npt.NDArray[np.int64]

_BLOCK = 1 << 14  # cells held as text at a time


class Names:
    """A column of texts with few distinct values."""

    def __init__(self) -> None:
        self._codes = array("q")
        self._known: dict[str, int] = {}

    def append(self, text: str) -> None:
        """Add a text."""
        self._codes.append(self._known.setdefault(text, len(self._known)))

    def extend(self, texts: Sequence[str]) -> None:
        """Add several texts."""
        distinct = dict.fromkeys(texts)
        for text in distinct:
            self._known.setdefault(text, len(self._known))
        if len(distinct) == 1:
            self._codes.extend(array("q", [self._known[texts[0]]]) * len(texts))
        else:
            self._codes.extend(map(self._known.__getitem__, texts))

    def categorical(self) -> pd.Categorical[str]:
        """The column."""
        codes = np.array(self._codes, np.int64)
        return categorical(codes, self._known)


class Values:
    """The values of one metric.

    Attributes:
        launch: the numbers of their launches.
        cells: the latest ones, as written in the file.
    """

    def __init__(self) -> None:
        self.launch = array("q")
        self._scale = array("d")
        self.cells: list[str] = []
        self._blocks: list[Numbers | Sequence[str]] = []

    @property
    def is_block(self) -> bool:
        """Whether it is time for `end_block`."""
        return len(self.cells) >= _BLOCK

    def add(self, number: int, cell: str, scale: float) -> None:
        """Add the value of one launch."""
        self.launch.append(number)
        self._scale.append(scale)
        self.cells.append(cell)

    def extend(
        self,
        numbers: Integers,
        cells: Sequence[str],
        units: Sequence[str],
        scales: Mapping[str, float],
    ) -> None:
        """Add the values of several launches."""
        self.launch.frombytes(numbers.tobytes())
        if len(scales) == 1:
            self._scale.extend(array("d", scales.values()) * len(cells))
        else:
            self._scale.extend(map(scales.__getitem__, units))
        self.cells.extend(cells)

    def end_block(self, notation: Notation) -> None:
        """Parse the cells that are still text.

        Raises:
            NoNumberError: as in `Notation.read`, but its place is the number of the launch.
        """
        with self._of_launch(len(self.launch) - len(self.cells)):
            self._blocks.append(notation.read(self.cells))
        self.cells = []

    def numbers(self, notation: Notation) -> Numbers:
        """All values in base units; raises like `end_block`."""
        settled: list[Numbers] = []
        for block in self._blocks:
            with self._of_launch(sum(map(len, settled))):
                settled.append(notation.settled(block))
        return np.concatenate(settled) * np.frombuffer(self._scale, np.float64)

    @contextmanager
    def _of_launch(self, first: int) -> Iterator[None]:
        """Turns a place among the values from `first` on into the number of its launch."""
        try:
            yield
        except NoNumberError as error:
            raise NoNumberError(str(error), self.launch[first + error.index]) from error
