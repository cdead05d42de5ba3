"""Reads pickles of plain data: dictionaries, lists, texts and numbers. No code runs.

A pickle is a program: it may import functions and call them. So its instructions are looked at
before it is loaded, and only those that build plain data are allowed; the loader, in addition,
imports nothing. (Python's library reference, `pickle`, "Restricting Globals"; the instructions and
the lengths of their arguments are those of `pickletools`.)
"""

from __future__ import annotations

import io
import pickle
import re
from typing import Any

PROTOCOL = b"\x80"
"""How a pickle of protocol 2 or later begins."""

_LONG = b"|".join(b"%s.{%d}" % (re.escape(bytes([0x8A, n])), n) for n in range(10))
_FIXED = re.compile(
    rb"(?:[Ntseau)}\](\x85-\x89\x94]"  # no argument
    rb"|[Kh].|M..|[Jj].{4}|[G\x95].{8}"  # numbers, a place in memory, a frame's length
    rb"|" + _LONG + rb"){1,4096}",
    re.DOTALL,
)
# Instruction -> the length of the length of its text.
_TEXTS = {b"\x8c": 1, b"X": 4}
# Instruction that gives a place in memory its number -> the length of the number.
_PLACES = {b"q": 1, b"r": 4}
_STOP = b"."


class NotPlainError(ValueError):
    """The pickle is damaged, or holds something else than plain data."""


class _Loader(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        raise NotPlainError(f"it would import {module}.{name}")


def load_plain(content: bytes) -> Any:
    """The object in a pickle.

    Raises:
        NotPlainError: it is cut short or damaged, or would do more than build plain data.
    """
    _check(content)
    try:
        return _Loader(io.BytesIO(content)).load()
    except (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError, TypeError,
            AttributeError, MemoryError, OverflowError) as error:  # fmt: skip
        raise NotPlainError(f"its pickle is damaged: {error}") from error


def _check(content: bytes) -> None:
    """Look at every instruction up to the last one."""
    at = 2  # behind the protocol
    while at < len(content):
        if found := _FIXED.match(content, at):
            at = found.end()
            continue
        code = content[at : at + 1]
        if code == _STOP:
            return
        if code in _TEXTS:
            start = at + 1 + _TEXTS[code]
            at = start + int.from_bytes(content[at + 1 : start], "little")
        elif code in _PLACES:
            end = at + 1 + _PLACES[code]
            # The loader makes room for all places up to this one.
            if int.from_bytes(content[at + 1 : end], "little") > len(content):
                raise NotPlainError(f"byte {at} of its pickle is damaged")
            at = end
        else:
            raise NotPlainError(
                f"byte {at} of its pickle is {code!r}, which is damage, or runs code"
            )
    raise NotPlainError("its pickle is cut short")
