"""Traces of the PyTorch profiler (Kineto): Chrome trace JSON, plain or gzipped.

Times stand in microseconds in all versions, whatever `displayTimeUnit` says.
"""

from __future__ import annotations

import gzip
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Any

import orjson

from detbench.errors import BadFileError
from detbench.readers.timeline import ACTIVITIES, CPU, RANGES, Timeline

# Category -> kind; the capitalised ones are PyTorch 1.8's and 1.9's.
_KINDS = {
    "kernel": "kernel", "Kernel": "kernel",
    "gpu_memcpy": "copy", "Memcpy": "copy", "gpu_memset": "copy", "Memset": "copy",
    "cpu_op": "operator", "Operator": "operator",
}  # fmt: skip
STEP = "ProfilerStep#"
_AGAIN = "record the trace again, or copy it again"


def read_kineto(path: Path) -> Timeline:
    """Read a trace.

    Raises:
        BadFileError: it is unreadable, cut short or no such trace.
    """
    events = _events(path)
    rows: defaultdict[str, list[Any]] = defaultdict(list)
    ranges: defaultdict[str, list[Any]] = defaultdict(list)
    for index, event in enumerate(events):
        if not isinstance(event, dict) or event.get("ph") != "X":
            continue
        category, name = event.get("cat"), str(event.get("name", ""))
        # The GPU's side of a range (gpu_user_annotation) would count it twice.
        on_cpu = category in ("user_annotation", "cpu_op", "Operator")
        is_range = on_cpu and (name.startswith(STEP) or category == "user_annotation")
        kind = _KINDS.get(category) if isinstance(category, str) else None
        if kind is None and not is_range:
            continue
        try:
            start, duration = round(event["ts"] * 1000), round(event["dur"] * 1000)
        except (KeyError, TypeError, ValueError) as error:
            raise BadFileError(
                path, f"'{name}' has no usable time: {error!r}", place=f"event {index}"
            ) from error
        into = ranges if is_range else rows
        into["name"].append(name)
        into["start (ns)"].append(start)
        into["duration (ns)"].append(duration)
        if not is_range:
            device, stream = _place(event, kind)
            rows["kind"].append(kind)
            rows["device"].append(device)
            rows["stream"].append(stream)
    return Timeline(ACTIVITIES.table(rows), RANGES.table(ranges))


def _events(path: Path) -> list[Any]:
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadFileError(path, f"the gzip data is damaged: {error}", _AGAIN) from error
    except OSError as error:
        raise BadFileError(path, f"cannot be read: {error.strerror}", "check the path") from error
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadFileError(
            path, f"not JSON: {error.msg}", _AGAIN, place=f"byte {error.pos}"
        ) from error
    events = document.get("traceEvents") if isinstance(document, dict) else document
    if not isinstance(events, list):
        raise BadFileError(path, "no traceEvents: not a trace of the PyTorch profiler")
    return events


def _place(event: dict[str, Any], kind: str | None) -> tuple[str, int]:
    """Device and stream of a GPU activity, or the CPU and thread of an operator."""
    arguments = event.get("args") or {}
    if kind == "operator":
        return CPU, _integer(event.get("tid"))
    device = arguments.get("device", event.get("pid"))
    return str(device), _integer(arguments.get("stream", event.get("tid")))


def _integer(value: Any) -> int:
    """Streams and threads come as numbers, as numbers in strings and as `stream 7`."""
    try:
        return int(str(value).split()[-1])
    except (ValueError, IndexError):
        return -1
