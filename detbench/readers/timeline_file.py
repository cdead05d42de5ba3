"""Chooses the reader of a timeline by its content, not its name.

A reader is imported when a file is of its format: all of them take longer than a small file.
"""

from __future__ import annotations

import logging
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from detbench.errors import BadFileError, MissingError
from detbench.readers.packed import suffix_of
from detbench.readers.text import is_text, on_disk, open_text, read_head
from detbench.readers.timeline import KernelSums, Timeline

_log = logging.getLogger(__name__)

_HEAD = 1 << 16
_SQLITE = b"SQLite format 3\x00"
_STATS = (
    "copy it again, or have it written again:"
    " nsys stats --report cuda_gpu_trace --format csv, or nvprof --csv"
)
# A line of text may begin with a bracket too: [5/8] Executing ...
_JSON = re.compile(rb"[\xef\xbb\xbf \t\r\n]*(\{|\[\s*[\[{\]])")
_NSYS_REPORTS = {".nsys-rep", ".qdrep"}


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
    if _JSON.match(head):
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
        return _exported(path, launches)
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
    if is_torch:
        return read_key_averages
    if is_sums:
        return read_kernel_sums
    if is_nvprof or has_calls:
        return read_nvprof_text
    if why:
        raise BadFileError(path, f"no kernel in it; it says: {why}", _STATS)
    return None


def _exported(path: Path, launches: bool) -> Timeline:
    """Read a report of Nsight Systems through its own exporter: nothing else can read it."""
    from detbench.readers.cupti import read_cupti

    nsys = shutil.which("nsys")
    if nsys is None:
        raise MissingError(
            f"{path} is a report of Nsight Systems, which needs nsys: it is not installed here",
            f"where nsys is installed: nsys export --type sqlite {path}",
        )
    with on_disk(path) as file, tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "export.sqlite"
        command = [nsys, "export", "--type", "sqlite", "--output", str(out), str(file)]
        _log.info("runs %s", shlex.join(command))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not out.is_file():
            said = (done.stderr or done.stdout).strip().splitlines()
            raise BadFileError(
                path,
                f"nsys export failed: {said[-1] if said else 'it printed nothing'}",
                "export it with the version of nsys that recorded it",
            )
        return read_cupti(out, launches=launches)
