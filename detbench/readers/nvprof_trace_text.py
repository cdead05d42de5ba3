"""nvprof's GPU trace as text: `nvprof --print-gpu-trace`, with any other lines around it.

       Start  Duration     Grid Size ...   Device   Context    Stream  Name
    1.22112s  1.5040us      (64 1 1) ...  Tesla K         1         7  sgemm(float*) [101]

Every value has its unit, and cells are two blanks or more apart. Times have few digits, so that of
short kernels many seem to begin at once: on one stream a kernel begins when the one before has
ended, by at most what was rounded. Device names are cut to 15 letters, which leaves out the number
of the device; then contexts tell two of one name apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from detbench.errors import BadFileError
from detbench.readers.numbers import NANOSECONDS, whole
from detbench.readers.printed import Once, device_number, is_copy
from detbench.readers.text import open_text
from detbench.readers.timeline import ACTIVITIES, NO_RANGES, Timeline

_HEADER = re.compile(r"\s*Start\s+Duration\s.*\sName\s*$")
_CALLS = re.compile(r"\s*Start\s+Duration\s+Name\s*$")  # --print-api-trace
_NEEDED = ("Start", "Duration", "Device", "Context", "Stream", "Name")
_GAP = re.compile(r" {2,}")
_TIME = re.compile(r"(\d{1,9}(?:\.(\d{1,9}))?(?:e[+-]?\d{1,2})?)([mun]?s)", re.ASCII)
_BEGUN = re.compile(r"\s*\d[\d.e+]*([mun]?s)?(\s|$)", re.ASCII)  # a row, even if cut
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_CORRELATION = re.compile(r" \[\d+\]$")
_PROCESS = re.compile(r"==(\d+)== ")
_NONE = "-"
_FEW = 4  # cells; a line with more is a row that has lost its begin
_AGAIN = "copy it again, or have it written again, better as CSV: nvprof --csv --log-file FILE"


def is_nvprof_trace(line: str) -> bool:
    """Whether a line is the header of such a trace; that of calls on the CPU is none."""
    return "Duration" in line and bool(_HEADER.match(line)) and not _CALLS.match(line)


def is_nvprof_calls(line: str) -> bool:
    """Whether a line is the header of a trace of calls on the CPU."""
    return "Duration" in line and bool(_CALLS.match(line))


class _Row(NamedTuple):
    """An activity; times in ns, `rounded` is what its start may be off by."""

    number: int
    start: int
    rounded: int
    duration: int
    device: str
    context: str
    stream: int
    name: str


def read_nvprof_trace_text(path: Path) -> Timeline:
    """Read a trace.

    Raises:
        BadFileError: it holds no kernel, a row is damaged, or it is of several processes.
    """
    with open_text(path) as stream:
        rows = list(_rows(path, stream))
    kernels = [row for row in rows if not is_copy(row.name)]
    if not kernels:
        raise BadFileError(path, "no kernel in it", _AGAIN)
    numbered = [bool(_CORRELATION.search(row.name)) for row in kernels]
    if any(numbered) and not all(numbered):
        place = f"line {kernels[numbered.index(False)].number}"
        raise BadFileError(path, "the row is cut short", _AGAIN, place=place)
    names, notes = _devices(rows)
    starts, num_moved = _starts(rows)
    if num_moved:
        notes.append(
            f"nvprof rounds starts: {num_moved:,} of {len(rows):,} follow the end of the one before"
            " on their stream"
        )
    return Timeline(
        ACTIVITIES.table(
            {
                "name": [_CORRELATION.sub("", row.name) for row in rows],
                "kind": ["copy" if is_copy(row.name) else "kernel" for row in rows],
                "device": names,
                "stream": [row.stream for row in rows],
                "start (ns)": starts,
                "duration (ns)": [row.duration for row in rows],
            }
        ),
        NO_RANGES,
        note="; ".join(notes),
    )


def _rows(path: Path, lines: Iterable[str]) -> Iterator[_Row]:
    """The rows of activities on a GPU, in the order of the file."""
    columns: list[str] = []  # of the table that this line is in
    process, owners = "", set()
    once = Once(path, _AGAIN)
    for number, line in enumerate(lines, 1):
        place = f"line {number}"
        if found := _PROCESS.match(line):
            process, columns = found[1], []
        elif is_nvprof_trace(line):
            columns = _GAP.split(line.strip())
            missing = [name for name in _NEEDED if name not in columns]
            if missing:
                raise BadFileError(
                    path, f"its header has no {', '.join(missing)}", _AGAIN, place=place
                )
        elif is_nvprof_calls(line) or not line.strip():
            columns = []
        elif columns:
            cells = _GAP.split(line.strip(), len(columns) - 1)
            is_ended = line.endswith(("\n", "\r"))
            if is_ended and not _BEGUN.match(line) and len(cells) <= _FEW:
                continue  # another program's line
            # Names of kernels end in [101], those of copies in a bracket.
            if len(cells) != len(columns) or not (is_ended or cells[-1].endswith("]")):
                raise BadFileError(path, "the row is cut short", _AGAIN, place=place)
            told = dict(zip(columns, cells, strict=True))
            if told["Device"] == _NONE or told["Duration"] == _NONE:
                continue  # a call or a page fault on the CPU
            owners.add(process)
            if len(owners) > 1:
                raise BadFileError(
                    path,
                    "the traces of several processes, each with times from a begin of its own",
                    "ask for one file per process: nvprof --log-file FILE.%p",
                    place=place,
                )
            if _CORRELATION.search(told["Name"]):  # copies may be alike, their times are rounded
                once.add(number, cells)
            try:
                yield _row(number, told)
            except ValueError as error:
                raise BadFileError(path, str(error), _AGAIN, place=place) from error


def _row(number: int, told: dict[str, str]) -> _Row:
    start, rounded = _nanoseconds(told["Start"])
    duration, _ = _nanoseconds(told["Duration"])
    stream = told["Stream"]
    if not _NUMBER.fullmatch(stream) and stream != _NONE:
        raise ValueError(f"'{stream[:40]}' is not a stream")
    number_of = int(stream) if stream != _NONE else -1
    device, context = told["Device"], told["Context"]
    return _Row(number, start, rounded, duration, device, context, number_of, told["Name"])


def _nanoseconds(text: str) -> tuple[int, int]:
    """A time, and the unit of its last digit."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text[:40]}' is not a time")
    scale = NANOSECONDS[found[3]]
    return whole(float(found[1]) * scale), whole(scale * 10.0 ** -len(found[2] or ""))


def _devices(rows: list[_Row]) -> tuple[list[str], list[str]]:
    """The device of each row, and what has to be said about them."""
    contexts: dict[str, set[str]] = {}
    for row in rows:
        if row.context != _NONE:
            contexts.setdefault(row.device, set()).add(row.context)
    apart = {
        device for device, found in contexts.items()
        if device_number(device) == device and len(found) > 1
    }  # fmt: skip
    names = [
        f"{row.device}, context {row.context}" if row.device in apart else device_number(row.device)
        for row in rows
    ]
    notes = [
        f"nvprof cut the device's name to '{device}', without its number: its contexts are taken"
        " for GPUs of their own"
        for device in sorted(apart)
    ]
    return names, notes


def _starts(rows: list[_Row]) -> tuple[list[int], int]:
    """The start of each row, and how many were moved behind the end of the one before."""
    ends: dict[tuple[str, str, int], int] = {}
    starts = []
    num_moved = 0
    for row in rows:
        stream = row.device, row.context, row.stream
        late = ends.get(stream, row.start) - row.start
        is_moved = 0 < late <= row.rounded
        num_moved += is_moved
        starts.append(row.start + (late if is_moved else 0))
        ends[stream] = max(ends.get(stream, 0), starts[-1] + row.duration)
    return starts, num_moved
