"""Chooses the reader of a timeline by its content, not its name.

A reader is imported when a file is of its format: all of them take longer than a small file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from detbench.errors import BadFileError
from detbench.readers.packed import suffix_of
from detbench.readers.printed_json import is_json_table
from detbench.readers.text import encoding_of, is_text, open_text, read_head
from detbench.readers.timeline import KernelSums, Timeline

_HEAD = 1 << 16
_SQLITE = b"SQLite format 3\x00"
_STATS = (
    "copy it again, or have it written again:"
    " nsys stats --report cuda_gpu_trace --format csv, or nvprof --csv"
)
_NSYS_REPORTS = {".nsys-rep", ".qdrep"}
# A line of text may begin with a bracket too: [5/8] Executing ...
_JSON = re.compile(rb"[\xef\xbb\xbf \t\r\n]*(\{|\[\s*[\[{\]])")


def read_timeline(path: Path, *, launches: bool = False) -> Timeline | KernelSums:
    """Read a timeline of the PyTorch profiler, Nsight Systems, nvprof or DLProf, or a summary.

    `launches` adds which call on the CPU launched each activity, which takes longer.

    Raises:
        BadFileError: it is none of these, or it is damaged.
        MissingError: only `nsys` can read it, and `nsys` is not installed.
    """
    head = read_head(path, _HEAD)
    if head.startswith(_SQLITE):
        from detbench.readers.cupti import read_cupti
        from detbench.readers.dlprof_database import is_dlprof_database, read_dlprof_database

        if is_dlprof_database(path):
            return read_dlprof_database(path)
        return read_cupti(path, launches=launches)
    is_table = is_json_table(head.decode(encoding_of(head), "replace"))
    if _JSON.match(head) and not is_table:
        from detbench.readers.kineto import read_kineto

        try:
            return read_kineto(path, launches=launches)
        except BadFileError as error:
            # A program may print JSON or a list before a profiler prints its table.
            read = None
            if is_text(head) and b'"traceEvents"' not in head:
                with suppress(BadFileError):
                    read = _reader_of_text(path)
            if read is None:
                raise error
            return read(path)
    if b"<session" in head:
        raise BadFileError(
            path,
            "a session of the Visual Profiler, which names a program and holds no measurement",
            "nvprof --export-profile writes a file with one",
        )
    if is_text(head) and (read := _reader_of_text(path)) is not None:
        return read(path)
    if suffix_of(path) in _NSYS_REPORTS:
        from detbench.readers.nsys_export import read_nsys_report

        return read_nsys_report(path, launches=launches)
    raise BadFileError(
        path,
        "the file is empty" if not head else "not a known timeline format",
        "known: traces of the PyTorch profiler (JSON), exports of Nsight Systems (SQLite), "
        "nvprof's .nvvp and --print-gpu-trace, what nsys stats and nvprof print, DLProf's reports",
    )


def _reader_of_text(path: Path) -> Callable[[Path], Timeline | KernelSums] | None:
    """The reader for a text file. A trace anywhere in it is preferred to a summary."""
    from detbench.readers import printed
    from detbench.readers.dlprof import is_dlprof, read_dlprof
    from detbench.readers.kernel_sums import is_summary, read_kernel_sums
    from detbench.readers.key_averages import is_key_averages, read_key_averages
    from detbench.readers.nsys_reports import INSTEAD, other_report
    from detbench.readers.nsys_trace import is_trace, read_nsys_trace
    from detbench.readers.nvprof_csv import HEADER, read_nvprof_trace
    from detbench.readers.nvprof_text import is_nvprof_text, read_nvprof_text
    from detbench.readers.nvprof_trace_text import (
        is_nvprof_calls,
        is_nvprof_trace,
        read_nvprof_trace_text,
    )

    def is_table(names: list[str]) -> bool:
        return is_trace(names) or is_summary(names)

    with open_text(path) as lines:
        if is_dlprof(lines.readline()):
            return read_dlprof
        lines.seek(0)
        is_nvprof = is_torch = has_trace = has_calls = False
        for line in lines:
            if line.startswith(HEADER):
                return read_nvprof_trace
            has_trace = has_trace or is_nvprof_trace(line)
            has_calls = has_calls or is_nvprof_calls(line)
            is_torch = is_torch or is_key_averages(line)
            is_nvprof = is_nvprof or is_nvprof_text(line)
        if has_trace:
            return read_nvprof_trace_text
        lines.seek(0)
        is_sums = False
        for row in printed.rows(path, lines, is_table, _STATS):
            if is_trace(row.names):
                return read_nsys_trace
            is_sums = True
        lines.seek(0)
        why = printed.why_none(lines)
        lines.seek(0)
        other = next(printed.rows(path, lines, lambda n: bool(other_report(n)), _STATS), None)
    if is_torch:
        return read_key_averages
    if is_sums:
        return read_kernel_sums
    if is_nvprof or has_calls:
        return read_nvprof_text
    if other is not None:
        raise BadFileError(path, f"it is {other_report(other.names)}", INSTEAD)
    if why:
        raise BadFileError(path, f"no kernel in it; it says: {why}", _STATS)
    return None
