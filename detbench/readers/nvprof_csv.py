"""nvprof's GPU trace as CSV: `nvprof --csv --print-gpu-trace`, with the `==PID==` lines around it.

The row under the header holds the units, which differ from file to file.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from detbench.errors import BadFileError
from detbench.readers.numbers import NANOSECONDS, NoNumberError, parse_numbers, whole
from detbench.readers.printed import Once, device_number, is_copy
from detbench.readers.streams import UNKNOWN, codes_of, in_turn
from detbench.readers.text import csv_cells, open_text
from detbench.readers.timeline import ACTIVITIES, NO_RANGES, Timeline

HEADER = '"Start","Duration"'
_NEEDED = ("Start", "Duration", "Device", "Stream", "Name")
_STREAM = re.compile(r"\d{1,18}", re.ASCII)
_CORRELATION = re.compile(r" \[(\d{1,18})\]$")
_AGAIN = (
    "copy it again, or have it recorded again with `nvprof --csv --print-gpu-trace --log-file FILE`"
)


def read_nvprof_trace(path: Path) -> Timeline:
    """Read a GPU trace.

    Raises:
        BadFileError: it is not such a file, holds no kernel, or a row in it is damaged.
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    once = Once(path, _AGAIN)
    names: list[str] = []
    units: list[str] = []
    with open_text(path) as stream:
        for number, line in enumerate(stream, 1):
            if line.startswith(HEADER):
                names = csv_cells(path, line, f"line {number}")
            elif names and not units:
                units = csv_cells(path, line, f"line {number}")
            elif names and line.strip() and not line.startswith("=="):
                cells = csv_cells(path, line, f"line {number}")
                if len(cells) != len(names) or line.count('"') % 2 or not cells[-1]:
                    raise BadFileError(path, "the row is cut short", _AGAIN, place=f"line {number}")
                once.add(number, cells)  # the number after a name is unique to the launch
                rows.append(cells)
                lines.append(number)
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise BadFileError(path, f"no GPU trace of nvprof in it: no {', '.join(missing)}", _AGAIN)
    at = {name: names.index(name) for name in _NEEDED}
    columns = {name: [cells[at[name]] for cells in rows] for name in _NEEDED}
    if not any(not is_copy(name) for name in columns["Name"]):
        raise BadFileError(path, "no kernel in it", _AGAIN)
    times = {}
    for name in ("Start", "Duration"):
        unit = units[at[name]] if at[name] < len(units) else ""
        if unit not in NANOSECONDS:
            raise BadFileError(path, f"{name} has an unknown unit: '{unit}'", _AGAIN)
        times[name] = _times(path, name, columns[name], NANOSECONDS[unit], lines)
    table = ACTIVITIES.table(
        {
            "name": [_CORRELATION.sub("", name) for name in columns["Name"]],
            "kind": ["copy" if is_copy(n) else "kernel" for n in columns["Name"]],
            "device": [device_number(d) for d in columns["Device"]],
            "stream": [int(s) if _STREAM.fullmatch(s) else -1 for s in columns["Stream"]],
            "start (ns)": times["Start"],
            "duration (ns)": times["Duration"],
        }
    )
    streams = table["stream"].to_numpy()
    context = [cells[names.index("Context")] if "Context" in names else "" for cells in rows]
    device = table["device"].cat.codes.to_numpy(np.int64)
    queue = codes_of(device, np.array(context), streams)
    queue[streams < 0] = UNKNOWN
    launches = [
        int(found[1]) if (found := _CORRELATION.search(name)) else UNKNOWN
        for name in columns["Name"]
    ]
    return in_turn(
        Timeline(table, NO_RANGES), queue, np.array(launches, np.int64), is_one_process=False
    )


def _times(path: Path, name: str, cells: list[str], scale: float, lines: list[int]) -> list[int]:
    times: list[int] = []
    try:
        times.extend(whole(number * scale) for number in parse_numbers(cells))
    except ValueError as error:
        line = lines[error.index if isinstance(error, NoNumberError) else len(times)]
        raise BadFileError(path, f"{name}: {error}", _AGAIN, place=f"line {line}") from error
    return times
