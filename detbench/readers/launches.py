"""Collects kernel launches and their metrics, row by row, for tables of millions of them.

Names become numbers, numbers are no objects, and cells are parsed a block at a time: a log of
1.6 GB, a million launches, takes a few hundred MB.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from detbench.readers.schema import categorical
from detbench.readers.text import Notation, Numbers

_BLOCK = 1 << 14  # cells held as text at a time


class Launches:
    """Launches in the order of their first row.

    Attributes:
        process, launch: process and launch ID of each.
    """

    def __init__(self, metrics: Collection[str]) -> None:
        self.process, self.launch = array("q"), array("q")
        self._kernel, self._device = _Names(), _Names()
        # (table in the file, process) -> launch ID -> its number here
        self._index: dict[tuple[int, int], dict[int, int]] = {}
        self._last: tuple[tuple[int, str, str], int] = (0, "", ""), 0
        self._notation = Notation()
        self._values = {name: _Values() for name in metrics}

    def number(self, table: int, process: str, launch: str, kernel: str, device: str) -> int:
        """The number of a launch, which is a new one where it was not seen before.

        Raises:
            ValueError, OverflowError: an ID is no number.
        """
        said = table, process, launch
        if said == self._last[0]:  # the rows of a launch follow one another
            return self._last[1]
        process_id, launch_id = int(process), int(launch)
        known = self._index.setdefault((table, process_id), {})
        number = known.setdefault(launch_id, len(self.launch))
        if number == len(self.launch):
            self.process.append(process_id)
            self.launch.append(launch_id)
            self._kernel.append(kernel)
            self._device.append(device)
        self._last = said, number
        return number

    def add(self, number: int, metric: str, cell: str, scale: float) -> None:
        """Take a launch's value of one of the metrics.

        Raises:
            ValueError: as `Notation` does.
        """
        values = self._values[metric]
        values.launch.append(number)
        values.scale.append(scale)
        values.cells.append(cell)
        if len(values.cells) == _BLOCK:
            values.end_block(self._notation)

    def names(self) -> dict[str, pd.Categorical[str]]:
        """Kernel and device of each launch."""
        return {"kernel": self._kernel.categorical(), "device": self._device.categorical()}

    def metrics(self) -> dict[str, Numbers]:
        """The metrics of which there are values; NaN is one that was not available.

        Raises:
            IncompleteError: a launch has no value of one of them.
            ValueError: as `Notation` does.
        """
        present = {name: values for name, values in self._values.items() if values.launch}
        for values in present.values():
            values.end_block(self._notation)
        columns = {}
        for name, values in present.items():
            place = np.frombuffer(values.launch, np.int64)
            is_there = np.zeros(len(self.launch), bool)
            is_there[place] = True
            if not is_there.all():
                raise IncompleteError(self.launch[int(is_there.argmin())], name)
            columns[name] = np.full(len(self.launch), np.nan)
            columns[name][place] = values.numbers(self._notation)
        return columns


class IncompleteError(Exception):
    """A launch has no value of a metric that others have; both are its arguments."""


class _Names:
    """A column of texts, few of them different."""

    def __init__(self) -> None:
        self._codes = array("q")
        self._known: dict[str, int] = {}

    def append(self, text: str) -> None:
        self._codes.append(self._known.setdefault(text, len(self._known)))

    def categorical(self) -> pd.Categorical[str]:
        codes = np.array(self._codes, np.int64)
        return categorical(codes, self._known)


class _Values:
    """The values of one metric; `cells` are the newest ones, as they stand in the file."""

    def __init__(self) -> None:
        self.launch = array("q")
        self.scale = array("d")
        self.cells: list[str] = []
        self._blocks: list[Numbers | Sequence[str]] = []

    def end_block(self, notation: Notation) -> None:
        self._blocks.append(notation.read(self.cells))
        self.cells = []

    def numbers(self, notation: Notation) -> Numbers:
        settled = [notation.settled(block) for block in self._blocks]
        return np.concatenate(settled) * np.frombuffer(self.scale, np.float64)
