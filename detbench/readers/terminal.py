"""Text as it went to a terminal: without its colours, and in lines that fit into memory."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, BinaryIO

from detbench.errors import BadFileError
from detbench.readers.rewindable import Rewindable

_LONGEST = 1 << 26
"""Bytes of a line; no log has longer ones."""
_ESCAPE = b"\x1b"
# The characters of a sequence, and how often each comes (ECMA-48, 5.4).
_PARTS = (
    (_ESCAPE, b""), (rb"\[", b""), (b"[0-?]", b"{0,64}"), (b"[ -/]", b"{0,8}"), (b"[@-~]", b""),
)  # fmt: skip
_BEGUN = 150  # bytes that a sequence may take


class Lines(Rewindable):
    """A binary stream of text without the sequences that set colours and move the cursor.

    A program that shows its progress writes them into its output, between a profiler's tables.
    """

    def __init__(self, path: Path, stream: BinaryIO, encoding: str) -> None:
        super().__init__(stream)
        self._path = path
        orders = (rb"(?:%s\x00)%s", rb"(?:\x00%s)%s") if encoding == "utf-16" else (b"%s%s",)
        self._sequence = re.compile(
            b"|".join(b"".join(order % part for part in _PARTS) for order in orders)
        )
        self._line = 0  # bytes given since a line's begin

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any such stream; at the begin is a line's begin."""
        at = super().seek(offset, whence)
        if not at:
            self._line = 0
        return at

    def readinto(self, buffer: Any) -> int:
        """Raises BadFileError for a line that no log has."""
        text = b""
        while not text:
            block = self._source.read(max(1, len(buffer) - len(self._held)))
            text, is_end = self._held + block, not block
            self._held = b""
            if _ESCAPE in text:
                text = self._sequence.sub(b"", text)
                begun = text.rfind(_ESCAPE)
                if not is_end and begun >= 0 and len(text) - begun < _BEGUN:
                    # What may be the begin of a sequence waits for the rest of it.
                    text, self._held = text[:begun], text[begun:]
            if is_end:
                break
        buffer[: len(text)] = text
        self._at += len(text)
        end = max(text.rfind(b"\n"), text.rfind(b"\r"))
        self._line = self._line + len(text) if end < 0 else len(text) - end - 1
        if self._line > _LONGEST:
            raise BadFileError(
                self._path, "a line of more than 64 MiB", "ask for the file that the tool wrote",
                place=f"byte {self._at - self._line:,}",
            )  # fmt: skip
        return len(text)
