"""Collects kernel launches and their metrics, row by row, for tables of millions of them.

Names are stored as numbers, numbers in arrays, and cells are parsed block by block: a log of 1.6 GB
with a million launches takes a few hundred MB of memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd

from detbench.readers.numbers import NoNumberError, Notation, Numbers
from detbench.readers.schema import categorical

_BLOCK = 1 << 14  # cells held as text at a time


class Launches:
    """Launches in the order of their first row.

    Attributes:
        process, launch: process and launch ID of each.
        may_lack: metrics that some launches do not show; elsewhere a missing one means damage.
    """

    def __init__(self, metrics: Collection[str]) -> None:
        self.process, self.launch = array("q"), array("q")
        self.may_lack: set[str] = set()
        self._kernel, self._device, self._capability = _Names(), _Names(), _Names()
        # (table in the file, process) -> launch ID -> its number here
        self._index: dict[tuple[int, int], dict[int, int]] = {}
        self._last: tuple[tuple[int, str, str], int] = (0, "", ""), 0
        self._notation = Notation()
        self._values = {name: _Values() for name in metrics}

    def number(
        self, table: int, process: str, launch: str, kernel: str, device: str, capability: str = ""
    ) -> int:
        """The number of a launch; one that was not seen before gets a new number.

        Raises:
            ValueError, OverflowError: an ID is not a number.
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
            self._capability.append(capability)
        self._last = said, number
        return number

    def add(self, number: int, metric: str, cell: str, scale: float) -> None:
        """Add a launch's value of one metric.

        Raises:
            BadLaunchError: this value, or an earlier one, is not a number.
        """
        values = self._values[metric]
        values.launch.append(number)
        values.scale.append(scale)
        values.cells.append(cell)
        if len(values.cells) == _BLOCK:
            with self._told():
                values.end_block(self._notation)

    def names(self) -> dict[str, pd.Categorical[str]]:
        """Kernel, device and compute capability of each launch."""
        return {
            "kernel": self._kernel.categorical(),
            "device": self._device.categorical(),
            "capability": self._capability.categorical(),
        }

    def metrics(self) -> dict[str, Numbers]:
        """The metrics that have values; NaN means not available.

        Raises:
            BadLaunchError: a value is not a number, is negative, is there twice, or is missing
                while other launches have it.
        """
        present = {name: values for name, values in self._values.items() if values.launch}
        with self._told():
            for values in present.values():
                values.end_block(self._notation)
            return {name: self._column(name, values) for name, values in present.items()}

    def _column(self, name: str, values: _Values) -> Numbers:
        place = np.frombuffer(values.launch, np.int64)
        numbers = values.numbers(self._notation)
        column = np.full(len(self.launch), np.nan)
        column[place] = numbers
        is_there = np.zeros(len(self.launch), bool)
        is_there[place] = True
        if not is_there.all() and name not in self.may_lack:
            raise BadLaunchError(
                f"lacks {name}, which other launches have: cut short?",
                self.launch[int(is_there.argmin())],
            )
        same = (column[place] == numbers) | (np.isnan(column[place]) & np.isnan(numbers))
        if not same.all():
            raise BadLaunchError(
                f"has two values of {name}", self.launch[place[int(same.argmin())]]
            )
        if (column < 0).any():
            raise BadLaunchError(f"has a negative {name}", self.launch[int((column < 0).argmax())])
        return column

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turns an error at a launch's number into one that names the launch's ID."""
        try:
            yield
        except NoNumberError as error:
            raise BadLaunchError(str(error), self.launch[error.index]) from error


class BadLaunchError(Exception):
    """A launch that cannot be right: the message, and its ID."""

    def __init__(self, words: str, launch: int) -> None:
        super().__init__(words)
        self.launch = launch


class _Names:
    """A column of texts with few distinct values."""

    def __init__(self) -> None:
        self._codes = array("q")
        self._known: dict[str, int] = {}

    def append(self, text: str) -> None:
        self._codes.append(self._known.setdefault(text, len(self._known)))

    def categorical(self) -> pd.Categorical[str]:
        codes = np.array(self._codes, np.int64)
        return categorical(codes, self._known)


class _Values:
    """The values of one metric; `cells` are the latest ones, as written in the file."""

    def __init__(self) -> None:
        self.launch = array("q")
        self.scale = array("d")
        self.cells: list[str] = []
        self._blocks: list[Numbers | Sequence[str]] = []

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
        return np.concatenate(settled) * np.frombuffer(self.scale, np.float64)

    @contextmanager
    def _of_launch(self, first: int) -> Iterator[None]:
        """Turns a place among the values from `first` on into the number of its launch."""
        try:
            yield
        except NoNumberError as error:
            raise NoNumberError(str(error), self.launch[first + error.index]) from error
