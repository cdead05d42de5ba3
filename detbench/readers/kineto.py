"""Traces of the PyTorch profiler (Kineto): Chrome trace JSON, plain or gzipped.

Times stand in microseconds in all versions, whatever `displayTimeUnit` says. A trace is read a
megabyte at a time where it has the order of keys that Kineto writes, so that one of many GB
needs no more memory than its activities do; any other order is read as a whole.
"""

from __future__ import annotations

import gzip
import re
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.text import open_bytes
from detbench.readers.timeline import ACTIVITIES, CPU, RANGES, Timeline

# Category -> kind; the capitalised ones are PyTorch 1.8's and 1.9's.
_KINDS = {
    "kernel": "kernel", "Kernel": "kernel",
    "gpu_memcpy": "copy", "Memcpy": "copy", "gpu_memset": "copy", "Memset": "copy",
    "cpu_op": "operator", "Operator": "operator",
}  # fmt: skip
# Categories of traces that have no kernels though they were not recorded on a CPU alone.
_INSTEAD = {
    "mtia_ccp_events": "it was recorded on an MTIA, which runs no kernels",
    "cuda_profiler_range": "it holds counters of CUPTI's range profiler in their place",
}
_ON_CPU = frozenset({"user_annotation", "cpu_op", "Operator"})
_STEP = "ProfilerStep#"
_BLOCK = 1 << 20
# The end of what lies between two events, up to the next one's first key. It cannot stand inside
# a string, where a quote has a backslash before it.
_BETWEEN = re.compile(rb"\}(\s*,\s*)\{\s*$")
_FIRST_KEY = b'"ph"'
_GAP = 64  # bytes that may lie between two events, white space above all
_LIMIT = 1 << 62  # no time since an epoch is beyond it
_LONGEST = 1 << 53  # ns, 104 days: sums of durations fit
_AGAIN = "record the trace again, or copy it again"


class _Arguments(msgspec.Struct, gc=False):
    device: Any = None
    stream: Any = None


class _Event(msgspec.Struct, gc=False):
    """The fields of an event that matter here; the decoder skips all others."""

    ph: Any = None
    cat: Any = None
    name: Any = ""
    ts: Any = None
    dur: Any = None
    pid: Any = None
    tid: Any = None
    args: _Arguments | list[Any] | str | None = None


class _Document(msgspec.Struct):
    traceEvents: list[_Event]  # noqa: N815 - the format's own name


# Absolute times in microseconds with a fraction have more digits than a float.
_DOCUMENT = msgspec.json.Decoder(_Document, float_hook=Decimal)
_LIST = msgspec.json.Decoder(list[_Event], float_hook=Decimal)
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError)


def read_kineto(path: Path) -> Timeline:
    """Read a trace.

    Raises:
        BadFileError: it is unreadable, cut short or no such trace.
    """
    rows = _Rows(path)
    try:
        with _opened(path) as stream:
            for events in _blocks(stream):
                rows.add(events)
    except _UnusualOrderError:
        rows = _Rows(path)
        with _opened(path) as stream:
            rows.add(_decoded(path, stream.read()))
    return rows.timeline()


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with open_bytes(path) as raw:
        is_gzip = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            yield gzip.GzipFile(fileobj=raw) if is_gzip else raw  # type: ignore[misc]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BadFileError(path, f"the gzip data is damaged: {error}", _AGAIN) from error


class _UnusualOrderError(Exception):
    """A block did not decode on its own: the trace has another order of keys, or is damaged."""


def _blocks(stream: IO[bytes]) -> Iterator[list[_Event]]:
    """The events, some at a time: the text between two places where one event ends.

    The first block has the document's head before its events and the last one its tail after
    them; what is cut off is put back, so that each is a document and gets decoded as such.
    """
    head, is_list = b"", False
    pending: list[bytes] = []
    while block := stream.read(_BLOCK):
        text = b"".join([*pending, block])
        if not head:
            is_list = text.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["
            head = b"[" if is_list else b'{"traceEvents":['
        end = _last_end(text)
        if end is None:
            pending = [text]
            continue
        yield _own(text[: end.start(1)] + (b"]" if is_list else b"]}"), is_list)
        pending = [head, text[end.end(1) :]]
    yield _own(b"".join(pending), is_list)


def _last_end(text: bytes) -> re.Match[bytes] | None:
    """What separates the last event that begins in `text` from the one before it."""
    key = text.rfind(_FIRST_KEY)
    while key > 0:
        if found := _BETWEEN.search(text, max(0, key - _GAP), key):
            return found
        key = text.rfind(_FIRST_KEY, 0, key)
    return None


def _own(text: bytes, is_list: bool) -> list[_Event]:
    try:
        return _LIST.decode(text) if is_list else _DOCUMENT.decode(text).traceEvents
    except _UNDECODABLE as error:
        raise _UnusualOrderError from error


def _decoded(path: Path, content: bytes) -> list[_Event]:
    content = content.decode("utf-8-sig", errors="replace").encode()
    try:
        is_list = content.lstrip()[:1] == b"["
        return _LIST.decode(content) if is_list else _DOCUMENT.decode(content).traceEvents
    except _UNDECODABLE as error:
        raise BadFileError(path, f"no trace of the PyTorch profiler: {error}", _AGAIN) from error


class _Rows:
    """Collects activities and ranges as columns; names and devices as numbers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._kinds = {"kernel": 0, "copy": 1, "operator": 2}
        self._names: dict[str, int] = {}
        self._devices: dict[str, int] = {}
        self._activities = [array("q") for _ in range(6)]
        self._note = ""
        self._range_names: list[str] = []
        self._range_times = [array("q"), array("q")]

    def add(self, events: list[_Event]) -> None:
        """Take the events that are activities or ranges; the loop every trace goes through."""
        names, devices, kinds = self._names, self._devices, self._kinds
        name_codes, kind_codes, device_codes, streams, starts, durations = self._activities
        for index, event in enumerate(events, self._count):
            category, name = event.cat, event.name
            if event.ph != "X" or type(category) is not str or type(name) is not str:
                self._refuse_damaged(event, index)
                continue
            # The GPU's side of a range (gpu_user_annotation) would count it twice.
            if category in _ON_CPU and (category == "user_annotation" or name.startswith(_STEP)):
                start, duration = self._times(event, index)
                self._range_names.append(name)
                self._range_times[0].append(start)
                self._range_times[1].append(duration)
            elif (kind := _KINDS.get(category)) is not None:
                start, duration = self._times(event, index)
                device, stream = _place(event, kind)
                name_codes.append(names.setdefault(name, len(names)))
                kind_codes.append(kinds[kind])
                device_codes.append(devices.setdefault(device, len(devices)))
                streams.append(stream)
                starts.append(start)
                durations.append(duration)
            elif category in _INSTEAD:
                self._note = _INSTEAD[category]
        self._count += len(events)

    def _refuse_damaged(self, event: _Event, index: int) -> None:
        """What Kineto never leaves out would leave out a kernel."""
        lacking = "ph" if event.ph is None else "cat" if event.cat is None else ""
        if lacking and (lacking == "ph" or event.ph == "X"):
            raise BadFileError(self._path, f"it has no '{lacking}'", _AGAIN, place=f"event {index}")

    def _times(self, event: _Event, index: int) -> tuple[int, int]:
        """Start and duration in ns."""
        try:
            start, duration = event.ts * 1000, event.dur * 1000
            if type(start) is not int or type(duration) is not int:
                start, duration = round(start), round(duration)
            if not 0 <= duration < _LONGEST or not -_LIMIT < start < _LIMIT:
                raise ValueError("out of range")
        except (TypeError, ValueError, ArithmeticError) as error:
            raise BadFileError(
                self._path,
                f"'{event.name}' has no usable time: {error}",
                _AGAIN,
                place=f"event {index}",
            ) from error
        return start, duration

    def timeline(self) -> Timeline:
        """The tables of what was collected."""
        name, kind, device, stream, start, duration = (
            np.frombuffer(column, np.int64) if column else np.empty(0, np.int64)
            for column in self._activities
        )
        activities: dict[str, Any] = {
            "name": _category(name, self._names),
            "kind": _category(kind, self._kinds),
            "device": _category(device, self._devices),
            "stream": stream,
            "start (ns)": start,
            "duration (ns)": duration,
        }
        starts, durations = self._range_times
        ranges: dict[str, Any] = {
            "name": self._range_names,
            "start (ns)": np.array(starts, np.int64),
            "duration (ns)": np.array(durations, np.int64),
        }
        return Timeline(ACTIVITIES.table(activities), RANGES.table(ranges), self._note)


def _category(codes: Any, texts: Any) -> pd.Categorical[str]:
    return pd.Categorical.from_codes(codes, pd.Index(list(texts), dtype="str"))


def _place(event: _Event, kind: str) -> tuple[str, int]:
    """Device and stream of a GPU activity, or the CPU and thread of an operator."""
    if kind == "operator":
        thread = event.tid
        return CPU, thread if type(thread) is int and -_LIMIT < thread < _LIMIT else _integer(
            thread
        )
    arguments = event.args if isinstance(event.args, _Arguments) else _Arguments()
    device = event.pid if arguments.device is None else arguments.device
    return str(device), _integer(event.tid if arguments.stream is None else arguments.stream)


def _integer(value: Any) -> int:
    """Streams and threads come as numbers, as numbers in strings and as `stream 7`."""
    try:
        number = int(str(value).split()[-1])
    except (ValueError, IndexError):
        return -1
    return number if -_LIMIT < number < _LIMIT else -1
