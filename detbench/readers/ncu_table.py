"""The rows of Nsight Compute's tables in CSV: which of their cells belong to which launch."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from detbench.errors import BadFileError
from detbench.readers.launches import Launches
from detbench.readers.ncu_names import metric_of
from detbench.readers.ncu_pattern import Found, Pattern, Row, Value
from detbench.readers.text import csv_cells

HEADER = '"ID"'
"""The beginning of a table's header."""

AGAIN = "copy it again, or profile again with `ncu --csv --log-file FILE`"
_LAUNCH = ("ID", "Process ID", "Kernel Name")
_METRIC = ("Metric Name", "Metric Unit", "Metric Value")
_PLAIN_ROW = re.compile(r'(?P<cells>"[0-9]+"(?:,"[^"\r\n]*")*)(?P<end>,*\r?\n)')
_ROW = re.compile(r'"\d+",')
_SCALE = {
    "": 1.0, "-": 1.0, "%": 1.0, "inst": 1.0, "inst/cycle": 1.0, "op": 1.0,
    "cycle": 1.0, "Kcycle": 1e3, "Mcycle": 1e6, "Gcycle": 1e9,
    "byte": 1.0, "Kbyte": 1e3, "Mbyte": 1e6, "Gbyte": 1e9,
    "nsecond": 1.0, "ns": 1.0, "usecond": 1e3, "us": 1e3, "msecond": 1e6, "ms": 1e6,
    "second": 1e9, "s": 1e9,
}  # fmt: skip
_FIXED_UNITS = ("%", "")  # other units follow the size of the value
_LINE_ENDS = ("\n", "\r")


def unit_scale(path: Path, unit: str) -> float:
    """The factor from a unit to its base unit (byte, cycle, ns).

    Raises:
        BadFileError: the unit is unknown.
    """
    if unit not in _SCALE:
        raise BadFileError(path, f"unknown unit '{unit}'", "collect with --print-units base")
    return _SCALE[unit]


class _Header:
    """Positions of the columns of a table.

    A wide row has the values of all wanted metrics, a long row that of one metric.
    """

    def __init__(self, names: list[str], metrics: Collection[str]) -> None:
        self.is_wide = not set(_METRIC) <= set(names)
        self.units: list[str] = []  # of a wide table, from the row after the header
        self._launch = [names.index(name) for name in _LAUNCH]
        self._device = names.index("Device") if "Device" in names else None
        self._capability = names.index("CC") if "CC" in names else None
        self.metric = [] if self.is_wide else [names.index(name) for name in _METRIC]
        self.wide = [(m, names.index(m)) for m in metrics if m in names] if self.is_wide else []
        optional = (self._device or 0, self._capability or 0)
        used = [*self._launch, *optional, *self.metric, *(i for _, i in self.wide)]
        self.shortest = max(used) + 1

    def is_like(self, line: str) -> bool:
        """Whether a line looks like a wide row whose beginning is damaged."""
        return self.is_wide and line.count('","') >= self.shortest - 2

    def launch(self, cells: list[str]) -> tuple[str, str, str, str, str]:
        """Process id, launch ID, kernel, device and compute capability of a row."""
        id_, process, kernel = self._launch
        device = "" if self._device is None else cells[self._device]
        capability = "" if self._capability is None else cells[self._capability]
        return cells[process], cells[id_], cells[kernel], device, capability

    def pattern(self, launch: list[Row], known: dict[str, str]) -> Pattern:
        """The pattern of the rows of one launch; `known` gives the metrics of what is written."""
        id_, process, kernel = self._launch
        places = {"launch": id_, "process": process, "kernel": kernel}
        places |= {"device": self._device} if self._device is not None else {}
        places |= {"capability": self._capability} if self._capability is not None else {}
        if self.is_wide:
            values = [Value(0, place, metric, self.units[place]) for metric, place in self.wide]
            return Pattern(launch, places, values, fixed=())
        name, unit, value = self.metric
        values, fixed = [], []
        for row, (cells, _) in enumerate(launch):
            fixed.append((row, name))
            if not (metric := known[cells[name]]):
                continue
            if cells[unit] in _FIXED_UNITS:
                fixed.append((row, unit))
                values.append(Value(row, value, metric, cells[unit]))
            else:
                values.append(Value(row, value, metric, unit_place=unit))
        return Pattern(launch, places, values, fixed)


class Rows:
    """Adds the rows of a file to `launches`."""

    def __init__(self, path: Path, launches: Launches, metrics: Collection[str]) -> None:
        self._path = path
        self._launches = launches
        self._metrics = metrics
        self._table = 0
        self._header: _Header | None = None
        self._known: dict[str, str] = {}  # what is written -> the metric; empty if not wanted

    def add_lines(self, lines: Iterable[str]) -> None:
        """Add the rows among lines, the first of which is line 1.

        Raises:
            BadFileError: a row is damaged, or what is in it cannot be read with certainty.
            BadLaunchError: a value is not a number.
        """
        for number, line in enumerate(lines, 1):
            if line.startswith('"') or (self._header and self._header.is_like(line)):
                self._add(line, f"line {number}")

    def _add(self, line: str, place: str) -> None:
        path, header = self._path, self._header
        if line.startswith(HEADER):
            names = csv_cells(path, line, place)
            missing = [name for name in _LAUNCH if name not in names]
            if missing:
                raise BadFileError(
                    path,
                    f"no column {', '.join(missing)}: not a table of Nsight Compute",
                    AGAIN,
                    place=place,
                )
            self._table, self._header = self._table + 1, _Header(names, self._metrics)
        elif header is not None:
            expects_units = header.is_wide and not header.units
            if expects_units is (_ROW.match(line) is not None):
                if header.is_wide:  # a missing row would go unnoticed
                    raise BadFileError(path, "the row is damaged", AGAIN, place=place)
                if not line.endswith(_LINE_ENDS):
                    raise BadFileError(path, "the row is cut short", AGAIN, place=place)
                return
            cells = csv_cells(path, line, place)
            if (
                len(cells) < header.shortest
                or line.count('"') % 2
                or not (cells[header.shortest - 1] or line.endswith(_LINE_ENDS))
            ):
                raise BadFileError(path, "the row is cut short", AGAIN, place=place)
            if expects_units:
                header.units = cells
                return
            try:
                launch = self._launches.number(self._table, *header.launch(cells))
            except (ValueError, OverflowError) as error:
                raise BadFileError(path, f"no ID in it: {error}", AGAIN, place=place) from error
            if header.metric:
                name, unit, value = header.metric
                if metric := self._metric(cells[name]):
                    self._launches.add(launch, metric, cells[value], unit_scale(path, cells[unit]))
            for metric, index in header.wide:
                scale = unit_scale(path, header.units[index])
                self._launches.add(launch, metric, cells[index], scale)

    def _metric(self, said: str) -> str:
        """The metric that the file means; empty if it is not wanted."""
        metric = self._known.get(said)
        if metric is None:
            metric = said if said in self._metrics else metric_of(said)
            metric = self._known[said] = metric if metric in self._metrics else ""
            if metric != said:  # a label of the details page, which shows a choice
                self._launches.may_lack.add(metric)
        return metric

    def pattern(self, lines: Iterable[str]) -> Pattern | None:
        """The pattern of the second launch among lines that were added; None if it has none."""
        header = self._header
        if header is None or (header.is_wide and not header.units):
            return None
        launch: list[Row] = []
        last, count = ("", ""), 0
        for found in filter(None, map(_PLAIN_ROW.fullmatch, lines)):
            cells = found["cells"][1:-1].split('","')
            if len(cells) < header.shortest:
                return None
            process, id_, *_ = header.launch(cells)
            if (process, id_) != last:
                last, count = (process, id_), count + 1
                if count > 2:
                    break
            if count == 2:
                launch.append(Row(cells, found["end"]))
        try:
            return header.pattern(launch, self._known) if count > 2 else None
        except ValueError:
            return None

    def add_launches(self, pattern: Pattern, found: Found) -> None:
        """Add launches that follow a pattern.

        Raises:
            BadFileError, BadLaunchError: as with `add_lines`.
        """
        try:
            pattern.add(
                found, self._table, self._launches, lambda unit: unit_scale(self._path, unit)
            )
        except (ValueError, OverflowError) as error:
            raise BadFileError(self._path, f"no ID in it: {error}", AGAIN) from error
