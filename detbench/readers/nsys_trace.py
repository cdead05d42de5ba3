"""The trace that `nsys stats` prints: --report cuda_gpu_trace (to 2022 `gputrace`), CSV or text."""

from __future__ import annotations

import re
from array import array
from pathlib import Path
from typing import NamedTuple

import numpy as np

from detbench.errors import BadFileError
from detbench.readers import printed
from detbench.readers.numbers import NANOSECONDS, integer, moment, parse_numbers, whole
from detbench.readers.streams import UNKNOWN, codes_of, in_turn
from detbench.readers.text import open_text
from detbench.readers.timeline import ACTIVITIES, NO_RANGES, Timeline

_TIME = re.compile(r"(Start|Duration) ?\((\w+)\)")
_LENGTH = "duration (ns)"
_AGAIN = "copy it again, or have it written again: nsys stats --report cuda_gpu_trace --format csv"


def is_trace(names: list[str]) -> bool:
    """Whether the column names are those of such a trace."""
    times = [found[1] for name in names if (found := _TIME.fullmatch(name))]
    return times == ["Start", "Duration"] and {"Device", "Strm", "Name"} <= set(names)


def read_nsys_trace(path: Path) -> Timeline:
    """Read a trace.

    Raises:
        BadFileError: it is not a trace, holds no kernel, or a row in it is damaged.
    """
    columns: dict[str, list[str | int]] = {column.name: [] for column in ACTIVITIES.columns}
    contexts, launches = array("q"), array("q")
    at, once = _At([], 0, 0, 0, -1, -1), printed.Once(path, _AGAIN)
    with open_text(path) as stream:
        for number, names, cells in printed.rows(path, stream, is_trace, _AGAIN):
            if not cells:
                at = _At.of(names)
                continue
            if not cells[at.name]:
                raise BadFileError(path, "the row is cut short", _AGAIN, place=f"line {number}")
            once.add(number, cells)
            try:
                for name, index, unit in at.times:
                    time = _nanoseconds(cells[index], unit)
                    columns[name].append(whole(time) if name == _LENGTH else moment(time))
                columns["stream"].append(integer(cells[at.stream].replace(",", "")))
            except ValueError as error:
                raise BadFileError(path, str(error), _AGAIN, place=f"line {number}") from error
            name = cells[at.name]
            columns["name"].append(name)
            columns["kind"].append("copy" if printed.is_copy(name) else "kernel")
            columns["device"].append(printed.device_number(cells[at.device]))
            contexts.append(_number(cells, at.context))
            launches.append(_number(cells, at.launch))
        stream.seek(0)
        why = printed.why_none(stream)
    if "kernel" not in columns["kind"]:
        raise BadFileError(path, f"no kernel in it{why and f'; it says: {why}'}", _AGAIN)
    table = ACTIVITIES.table(columns)
    device = table["device"].cat.codes.to_numpy(np.int64)
    queue = codes_of(device, np.array(contexts, np.int64), table["stream"].to_numpy())
    found = Timeline(table, NO_RANGES)
    return in_turn(found, queue, np.array(launches, np.int64), is_one_process=False)


class _At(NamedTuple):
    """Positions of the columns, -1 without one; times come with our column name and unit."""

    times: list[tuple[str, int, str]]
    device: int
    stream: int
    name: int
    context: int
    launch: int

    @classmethod
    def of(cls, names: list[str]) -> _At:
        times = [
            (f"{found[1].lower()} (ns)", index, found[2])
            for index, name in enumerate(names)
            if (found := _TIME.fullmatch(name))
        ]
        needed = (names.index(name) for name in ("Device", "Strm", "Name"))
        others = (names.index(name) if name in names else -1 for name in ("Ctx", "CorrId"))
        return cls(times, *needed, *others)


def _number(cells: list[str], index: int) -> int:
    """A number that the table may lack; -1 without one."""
    text = cells[index].replace(",", "") if index >= 0 else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else UNKNOWN


def _nanoseconds(cell: str, unit: str) -> float:
    if unit not in NANOSECONDS:
        raise ValueError(f"unknown unit of time: '{unit}'")
    if unit == "ns" and cell.isdigit():
        return integer(cell)  # an absolute time in ns has more digits than a float holds
    # nsys groups digits by commas and writes decimal points in every locale.
    (number,) = parse_numbers([cell.replace(",", "")])
    return number * NANOSECONDS[unit]
