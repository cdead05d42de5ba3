"""What `key_averages().table()` of the PyTorch profiler prints: the rows that are kernels.

A kernel ran on the GPU alone: its row has no CPU time. An operator's row has, and repeats the time
of the kernels that it launched, as does a range of the program's own, which has a second row, on
the GPU, of the same name. The line under the table tells the time of all kernels and copies; where
the table was cut (`row_limit`) the rest of it is in no row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from detbench.errors import BadFileError
from detbench.readers.numbers import NANOSECONDS, parse_numbers, whole
from detbench.readers.text import open_text
from detbench.readers.timeline import SUMS, KernelSums

_CALLS = ("# of Calls", "Number of Calls")
_SELF = re.compile(r"Self (?!CPU)(\w+)")
_TIME = re.compile(r"(\d+\.\d+)(us|ms|s)")
_TOTAL = re.compile(r"Self (?!CPU)\w+ time total: (\d+\.\d+)(us|ms|s)\s*$")
_GAP = re.compile(r" {2,}")
_COPY = re.compile(r"(?:\[|Mem(?:cpy|set)\b)")
_AGAIN = "print it again: print(prof.key_averages().table(row_limit=-1))"
_ROUNDED_NS = 1000  # of a time in ms or s, three decimals: per row, at most so much of a unit


def is_key_averages(line: str) -> bool:
    """Whether a line is the header of such a table."""
    return "Self CPU" in line and "Name" in line and any(name in line for name in _CALLS)


class _Row(NamedTuple):
    name: str
    calls: int
    cpu: int  # ns
    gpu: int  # ns


def read_key_averages(path: Path) -> KernelSums:
    """Read the kernels of the first table in a file.

    Raises:
        BadFileError: a row is damaged, or the table has no kernel.
    """
    with open_text(path) as stream:
        rows = list(_rows(path, stream))
        stream.seek(0)
        total = next((found for line in stream if (found := _TOTAL.match(line))), None)
        stream.seek(0)
        num_tables = sum(map(is_key_averages, stream))
    # They may be of the same kernels in another order, so that their sum would count them twice.
    notes = (f"{num_tables} tables in the file, of which the first counts",)
    on_cpu = {row.name for row in rows if row.cpu}
    on_gpu = [row for row in rows if row.gpu and not row.cpu and row.name not in on_cpu]
    kernels = [row for row in on_gpu if not _COPY.match(row.name)]
    if not kernels:
        has_gpu = any(row.gpu for row in rows)
        raise BadFileError(
            path,
            "no kernel in it: a table of the PyTorch profiler with "
            + ("operators alone" if has_gpu else "no time on a GPU"),
            "profile with activities=[CPU, CUDA], and print without row_limit",
        )
    names, calls, _, times = zip(*kernels, strict=True)
    return KernelSums(
        SUMS.table({"name": names, "count": calls, "total (ns)": times}),
        notes if num_tables > 1 else (),
        _unlisted(path, total, sum(row.gpu for row in on_gpu), len(rows)),
    )


def _unlisted(path: Path, total: re.Match[str] | None, listed: int, num_rows: int) -> int:
    """The time in ns that no row has.

    Raises:
        BadFileError: the rows have more than the line under the table says.
    """
    if total is None:
        return 0
    try:
        found = _nanoseconds(total)
    except ValueError as error:
        raise BadFileError(path, f"'{total[0].strip()[:60]}': {error}", _AGAIN) from error
    # Every figure is rounded to a thousandth of its unit; the total's is the coarsest.
    slack = (num_rows + 1) * NANOSECONDS[total[2]] // _ROUNDED_NS
    if listed > found + slack:
        raise BadFileError(
            path,
            f"its rows have {listed / 1e6:,.3f} ms on the GPU, and the line under them"
            f" {found / 1e6:,.3f} ms",
            _AGAIN,
        )
    return found - listed if found - listed > slack else 0


def _rows(path: Path, lines: Iterator[str]) -> Iterator[_Row]:
    """The rows between the rule under the first header and the next rule."""
    numbered = enumerate(lines, 1)
    names = next((_cells(line) for _, line in numbered if is_key_averages(line)), [])
    at = {name: index for index, name in enumerate(names)}
    calls = next((at[name] for name in _CALLS if name in at), -1)
    gpu = next((at[name] for name in names if _SELF.fullmatch(name)), -1)
    if calls >= 0 and {"Name", "Self CPU total"} <= at.keys():
        raise BadFileError(
            path,
            "a table of the profiler of PyTorch 1.7 or older, which does not tell the time of"
            " kernels apart from that of operators",
            "ask for a newer version's, or for a trace: prof.export_chrome_trace('FILE.json')",
        )
    if calls < 0 or not {"Name", "Self CPU"} <= at.keys():
        raise BadFileError(path, "the header of its table is damaged", _AGAIN)
    num_rules = 0
    for number, line in numbered:
        if line.startswith("---"):
            num_rules += 1
            if num_rules == 2:
                return
            continue
        cells = _cells(line)
        try:
            if len(cells) != len(names) or not line.endswith("\n"):
                raise ValueError("the row is cut short")
            (count,) = parse_numbers([cells[calls]])
            if whole(count) != count or count < 1:
                raise ValueError(f"'{count:g}' is not a count")
            cpu = _time(cells[at["Self CPU"]])
            gpu_time = 0 if gpu < 0 else _time(cells[gpu])
        except ValueError as error:
            raise BadFileError(path, str(error), _AGAIN, place=f"line {number}") from error
        yield _Row(cells[at["Name"]], whole(count), cpu, gpu_time)
    raise BadFileError(path, "the table has no end", _AGAIN)


def _cells(line: str) -> list[str]:
    """The cells of a line. A name that is too long pushes the others out of their columns."""
    return _GAP.split(line.strip())


def _time(text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not a time")
    return _nanoseconds(found)


def _nanoseconds(found: re.Match[str]) -> int:
    return whole(float(found[1]) * NANOSECONDS[found[2]])
