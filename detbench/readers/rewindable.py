"""A stream that changes what it reads from another one, and can begin again."""

from __future__ import annotations

import io
import os
from typing import IO, Any


class Rewindable(io.RawIOBase):
    """What a subclass's `readinto` makes of `source`: read from the begin on, as often as asked.

    `readinto` adds the bytes it gives to `_at`, and keeps in `_held` what it has read but not
    given yet.
    """

    def __init__(self, source: IO[Any]) -> None:
        super().__init__()
        self._source = source
        self._at = 0
        self._held = b""

    def readable(self) -> bool:
        """It is read from the begin on."""
        return True

    def seekable(self) -> bool:
        """To the begin."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go back to the begin, or tell the position; there is nothing else to go to."""
        if offset or whence not in (os.SEEK_SET, os.SEEK_CUR):
            raise io.UnsupportedOperation("only to the begin")
        if whence == os.SEEK_SET:
            self._source.seek(0)
            self._at, self._held = 0, b""
        return self._at
