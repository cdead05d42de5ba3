"""Identifies a file by its content: its kind, the tool that wrote it, and the version of that tool.

The reader of a kind finds out by itself which of its formats a file has; this module is for callers
that do not know the kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from detbench.errors import BadFileError
from detbench.readers import (
    database,
    dlprof,
    dlprof_database,
    log_format,
    memory_curve,
    ncu_messages,
    ncu_text,
    nvprof_csv,
    printed,
    snapshot_pickle,
    tbd_memory,
)
from detbench.readers.foreign import foreign
from detbench.readers.kernel_sums import is_summary
from detbench.readers.key_averages import is_key_averages
from detbench.readers.kinds import Kind
from detbench.readers.memory_csv import SCHEMA as MEMORY
from detbench.readers.monitoring import tool_of
from detbench.readers.nsys_reports import other_report
from detbench.readers.nsys_trace import is_trace
from detbench.readers.packed import suffix_of
from detbench.readers.printed_json import is_json_table
from detbench.readers.text import encoding_of, is_text, open_text, read_head


class Identity(NamedTuple):
    """The identity of a file.

    Attributes:
        kind: the kind of measurement, which chooses the reader.
        tool: the tool that wrote it.
        version: of the tool or of the file format; empty if the file has none.
        is_guess: whether nothing in the file says so, and its reader finds out.
    """

    kind: Kind
    tool: str
    version: str = ""
    is_guess: bool = False


class ForeignFileError(BadFileError):
    """The file is whole, and of a known format that is not read."""


_HEAD = 1 << 16
_KNOWN = (
    "known: what Nsight Compute, Nsight Systems, nvprof, DLProf, the PyTorch profiler, nvidia-smi,"
    " detectron2, maskrcnn-benchmark, mmdetection and detbench write (docs/formats.md)"
)
_ONLY_NSYS_READS = (".nsys-rep", ".qdrep")
_JSON = re.compile(r"\{|\[\s*[\[{\]]")
_MEMORY_HEADER = ",".join(column.name for column in MEMORY.columns)
_NVPROF_TABLE = re.compile(r"\s*(Type\s+)?Time\(%\)\s+Time\s+Calls\s|\s*Start\s+Duration\s.*\sName")
_NVPROF_METRICS = re.compile(
    r'Invocations\s+Metric Name\s+Metric Description|"Device","Kernel","Invocations"'
)
_DETECTRON2_VERSION = re.compile(r"^detectron2\s+([\d.]+)", re.MULTILINE)
_FEW = 8  # lines that may precede a monitor's header


def identify(path: Path) -> Identity:
    """Identify a file.

    Raises:
        ForeignFileError: it is of a known format that is not read.
        BadFileError: it cannot be read, or its format is unknown.
    """
    head = read_head(path, _HEAD)
    if head.startswith(ncu_messages.MAGIC):
        return Identity("counters", "Nsight Compute")
    if head.startswith(database.MAGIC):
        return _of_database(path)
    if snapshot_pickle.is_snapshot(head):
        is_guess = b"segments" not in head
        return Identity("memory", "PyTorch (allocator snapshot)", is_guess=is_guess)
    found = _of_content(path, head)
    if found is not None and not found.is_guess:
        return found
    if (other := foreign(head)) is not None:
        raise ForeignFileError(path, f"it is {other.name}", other.instead)
    if found is None:
        what = "the file is empty" if not head else "its format is unknown"
        raise BadFileError(path, what if is_text(head) or not head else f"{what}: no text", _KNOWN)
    return found


def _of_content(path: Path, head: bytes) -> Identity | None:
    """The identity of a file that is neither a database nor another known binary format."""
    if suffix_of(path) in _ONLY_NSYS_READS:
        return Identity("timeline", "Nsight Systems", is_guess=True)
    text = head.decode(encoding_of(head), "replace").lstrip()
    if _JSON.match(text):  # a line of a log may begin with [05/23 10:11:12 ...
        found = _of_json(text)
        # A program may print JSON or a list before a profiler prints its table.
        if found is None or found.is_guess:
            with suppress(BadFileError):
                return _of_text(path) or found
        return found
    if "<session" in text:
        return Identity("timeline", "NVIDIA Visual Profiler")
    return _of_text(path) if is_text(head) else None


def _of_json(text: str) -> Identity | None:
    """A trace, torch's list of memory events, or one document per line (metrics.json).

    None for a list of other objects than events.
    """
    if re.match(r"\[\s*\[", text):
        return Identity("memory", "PyTorch profiler (memory timeline)")
    if is_json_table(text):
        return Identity("timeline", "Nsight Systems (nsys stats)")
    first, newline, _ = text.partition("\n")
    is_lines = bool(newline) or first.endswith("}")
    if is_lines and (log := log_format.of_json(text.splitlines())):
        return Identity("training history", log.tool)
    if text.startswith("[") and '"ph"' not in text:
        return None
    schema = re.search(r'"schemaVersion":\s*(\d+)', text)
    version = f"schema {schema[1]}" if schema else ""
    is_guess = not version and '"traceEvents"' not in text
    return Identity("timeline", "PyTorch profiler (Kineto)", version, is_guess)


def _of_database(path: Path) -> Identity:
    """An export of Nsight Systems, which names its version, or a file of nvprof."""
    try:
        with database.open_database(path) as base:
            if dlprof_database.KERNELS in base.columns:
                return Identity("timeline", "DLProf", dlprof_database.version_of(base))
            if "StringTable" in base.columns:
                return Identity("timeline", "nvprof")
            told: dict[object, object] = {}
            if "META_DATA_EXPORT" in base.columns:
                told = dict(base.rows("select name, value from META_DATA_EXPORT"))  # type: ignore[arg-type]
    except BadFileError:  # the reader says what is wrong with it
        return Identity("timeline", "SQLite", is_guess=True)
    product, schema = told.get("EXPORT_PRODUCT_VERSION"), told.get("EXPORT_SCHEMA_VERSION")
    words = [str(product)] if product else []
    words += [f"schema {schema}"] if schema else []
    return Identity("timeline", "Nsight Systems", ", ".join(words))


def _of_text(path: Path) -> Identity | None:
    """By the first line, or else by the first table in the output of a program."""
    with open_text(path) as lines:
        first = lines.readline().rstrip("\r\n")
        if first == _MEMORY_HEADER or memory_curve.is_memory_curve(first):
            return Identity("memory", "detbench")
        if first.startswith(tbd_memory.HEADER):
            return Identity("memory", "TBD suite")
        if dlprof.is_dlprof(first):
            return Identity("timeline", "DLProf")
        lines.seek(0)
        if tool := _monitor(lines):
            return Identity("monitoring", tool)
        lines.seek(0)
        # Tables first: that of a profiler may be anywhere among the lines of a training.
        if found := next(filter(None, map(_of_header, lines)), None):
            return found
        lines.seek(0)
        if (row := next(printed.rows(path, lines, _is_table, _KNOWN), None)) is not None:
            is_nvprof = {"Time", "Calls"} <= set(row.names)
            return Identity("timeline", "nvprof" if is_nvprof else "Nsight Systems (nsys stats)")
        lines.seek(0)
        told = log_format.of_text(lines)
        if told is None:
            return None
        log, _ = told
        lines.seek(0)
        version = _DETECTRON2_VERSION.search(lines.read(_HEAD))
    is_told = log is log_format.DETECTRON2 and version
    return Identity("training history", log.tool, version[1] if version and is_told else "")


def _monitor(lines: Iterable[str]) -> str:
    """The monitor whose samples these are, if few lines of anything else precede its header."""
    return next(filter(None, map(tool_of, islice(lines, _FEW))), "")


def _of_header(line: str) -> Identity | None:
    """The identity of a file with this table header."""
    if line.startswith('"ID"') or ncu_text.is_launch(line):
        return Identity("counters", "Nsight Compute")
    if _NVPROF_METRICS.search(line):
        return Identity("counters", "nvprof")
    if line.startswith(nvprof_csv.HEADER) or _NVPROF_TABLE.match(line):
        return Identity("timeline", "nvprof")
    if is_key_averages(line):
        return Identity("timeline", "PyTorch profiler (key_averages)")
    return None


def _is_table(names: list[str]) -> bool:
    return is_trace(names) or is_summary(names) or bool(other_report(names))
