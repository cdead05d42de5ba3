"""Collects kernel launches and their metrics, row by row, for tables of millions of them.

Names are stored as numbers, numbers in arrays, and cells are parsed block by block: a log of 1.6 GB
with a million launches takes a few hundred MB of memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd

from detbench.readers.launch_columns import Integers, Names, Values
from detbench.readers.numbers import NoNumberError, Notation, Numbers


class Launches:
    """Launches in the order of their first row.

    Attributes:
        process, launch: process and launch ID of each.
        may_lack: metrics that some launches do not show; elsewhere a missing one means damage.
    """

    def __init__(self, metrics: Collection[str]) -> None:
        self.process, self.launch = array("q"), array("q")
        self.may_lack: set[str] = set()
        self._kernel, self._device, self._capability = Names(), Names(), Names()
        # (table in the file, process) -> launch ID -> its number here
        self._index: dict[tuple[int, int], dict[int, int]] = {}
        self._last: tuple[tuple[int, str, str], int] = (0, "", ""), 0
        self._notation = Notation()
        self._values = {name: Values() for name in metrics}

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
        values.add(number, cell, scale)
        if values.is_block:
            with self._told():
                values.end_block(self._notation)

    def extend(
        self,
        table: int,
        processes: Sequence[str],
        launches: Sequence[str],
        kernels: Sequence[str],
        devices: Sequence[str],
        capabilities: Sequence[str],
    ) -> Integers:
        """The numbers of several launches that differ, as from `number`.

        Raises:
            ValueError, OverflowError: an ID is not a number.
        """
        ids = list(map(int, launches))
        process_id = int(processes[0])
        known = self._index.setdefault((table, process_id), {})
        is_new = len(set(ids)) == len(ids) and known.keys().isdisjoint(ids)
        if not is_new or processes.count(processes[0]) < len(processes):
            cells = zip(processes, launches, kernels, devices, capabilities, strict=True)
            return np.array([self.number(table, *each) for each in cells], np.int64)
        first = len(self.launch)
        known.update(zip(ids, range(first, first + len(ids)), strict=True))
        self.process.extend(array("q", [process_id]) * len(ids))
        self.launch.extend(ids)
        self._kernel.extend(kernels)
        self._device.extend(devices)
        self._capability.extend(capabilities)
        self._last = (table, processes[-1], launches[-1]), len(self.launch) - 1
        return np.arange(first, len(self.launch), dtype=np.int64)

    def extend_metric(
        self,
        numbers: Integers,
        metric: str,
        cells: Sequence[str],
        units: Sequence[str],
        scales: Mapping[str, float],
    ) -> None:
        """Add the values of one metric of several launches, as with `add`; `scales` is by unit.

        Raises:
            BadLaunchError: a value is not a number.
        """
        values = self._values[metric]
        values.extend(numbers, cells, units, scales)
        if values.is_block:
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

    def _column(self, name: str, values: Values) -> Numbers:
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
