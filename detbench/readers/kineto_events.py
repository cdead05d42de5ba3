"""The events of a PyTorch profiler's trace: Chrome trace JSON.

A trace with the order of keys that Kineto writes is decoded in blocks, so that one of many GB needs
no more memory than the events kept from it; a trace with another order is decoded as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import msgspec

from detbench.errors import BadFileError
from detbench.readers.text import open_bytes

_BLOCK = 1 << 17
# The text between two events, up to the first key of the second one. It cannot occur inside a
# string, where a quote has a backslash before it.
_BETWEEN = re.compile(rb"\}(\s*,\s*)\{\s*$")
_FIRST_KEY = b'"ph"'
_GAP = 64  # bytes allowed between two events, mostly white space
AGAIN = "record the trace again, or copy it again"
"""The remedy for a damaged trace."""


# Any value, decoded without the detour through Decimal that a plain Any takes.
_Number = float | str | bool | list[Any] | dict[str, Any] | None


class Arguments(msgspec.Struct, gc=False):
    """The arguments of an event that describe its launch."""

    device: Any = None
    context: Any = None
    rank: Any = None
    stream: Any = None
    correlation: Any = None
    blocks_per_sm: _Number = msgspec.field(name="blocks per SM", default=None)
    occupancy: _Number = msgspec.field(name="est. achieved occupancy %", default=None)


class Event(msgspec.Struct, gc=False):
    """The fields of an event that matter here; the decoder skips all others."""

    ph: Any = None
    cat: Any = None
    name: Any = ""
    ts: Any = None
    dur: Any = None
    pid: Any = None
    tid: Any = None
    args: Arguments | list[Any] | str | None = None


class _Document(msgspec.Struct):
    traceEvents: list[Event]  # noqa: N815 - the format's own name


# Absolute times in microseconds, with a fraction, have more digits than a float holds.
_DOCUMENT = msgspec.json.Decoder(_Document, float_hook=Decimal)
_LIST = msgspec.json.Decoder(list[Event], float_hook=Decimal)
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError)


def each_block(path: Path, begin: Callable[[], Callable[[list[Event]], None]]) -> None:
    """Pass all events of a trace on, block by block and in order.

    Args:
        path: the trace.
        begin: returns the function that takes a block. It is called again, to start over, if the
            order of keys in the trace turns out not to allow blocks.

    Raises:
        BadFileError: it is unreadable, truncated, or not such a trace.
    """
    take = begin()
    try:
        with open_bytes(path) as stream:
            for events in _blocks(stream):
                take(events)
    except _UnusualOrderError:
        take = begin()
        with open_bytes(path) as stream:
            take(_decoded(path, stream.read()))


class _UnusualOrderError(Exception):
    """A block did not decode on its own: the trace has another order of keys, or is damaged."""


def _blocks(stream: IO[bytes]) -> Iterator[list[Event]]:
    """The events, block by block: a block ends between two events.

    The first block starts with the document's head, the last one ends with its tail; each block
    gets the missing part back, so that it is decoded as a document of its own.
    """
    head, is_list = b"", False
    pending: list[bytes] = []
    size = _BLOCK
    while block := stream.read(size):
        text = b"".join([*pending, block])
        if not head:
            is_list = text.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["
            head = b"[" if is_list else b'{"traceEvents":['
        end = _last_end(text)
        if end is None:
            # A trace in another order goes on like this to its end: doubling keeps that linear.
            pending, size = [text], len(text)
            continue
        size = _BLOCK
        yield _own(text[: end.start(1)] + (b"]" if is_list else b"]}"), is_list)
        pending = [head, text[end.end(1) :]]
    yield _own(b"".join(pending), is_list)


def _last_end(text: bytes) -> re.Match[bytes] | None:
    """The text between the last event that begins in `text` and the event before it."""
    key = text.rfind(_FIRST_KEY)
    while key > 0:
        if found := _BETWEEN.search(text, max(0, key - _GAP), key):
            return found
        key = text.rfind(_FIRST_KEY, 0, key)
    return None


def _own(text: bytes, is_list: bool) -> list[Event]:
    try:
        return _LIST.decode(text) if is_list else _DOCUMENT.decode(text).traceEvents
    except _UNDECODABLE as error:
        raise _UnusualOrderError from error


def _decoded(path: Path, content: bytes) -> list[Event]:
    content = content.decode("utf-8-sig", errors="replace").encode()
    try:
        is_list = content.lstrip()[:1] == b"["
        return _LIST.decode(content) if is_list else _DOCUMENT.decode(content).traceEvents
    except _UNDECODABLE as error:
        raise BadFileError(path, f"not a trace of the PyTorch profiler: {error}", AGAIN) from error
