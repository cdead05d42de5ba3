"""Unpacks files that were compressed on their way: gzip, bzip2 and xz, told by their content.

What a file holds is unpacked as it is read, and never kept as a whole. So that a small file cannot
fill the memory or a disk, what it unpacks to is limited. A packed file inside a packed file is
refused: it is a mistake, or worse.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

from detbench.errors import BadFileError

_FREE = 1 << 28
"""Bytes that any file may unpack to."""
_TIMES = 100
"""So many times its own size a larger one may; text of profilers takes 5 to 40."""
_BLOCK = 1 << 17
_DAMAGE = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)


class _Format(NamedTuple):
    name: str
    magic: bytes
    suffix: str
    unpack: str
    open: Callable[[IO[bytes]], Any]


_FORMATS = (
    _Format("gzip", rb"\x1f\x8b", ".gz", "gunzip -c", lambda raw: gzip.GzipFile(fileobj=raw)),
    _Format("bzip2", rb"BZh[1-9](1AY&|\x17rE8)", ".bz2", "bunzip2 -c", bz2.BZ2File),
    _Format("xz", rb"\xfd7zXZ\x00", ".xz", "unxz -c", lzma.LZMAFile),
)


def unpacked(path: Path, raw: BinaryIO) -> BinaryIO:
    """What an open file holds, unpacked where it is packed; otherwise `raw` itself.

    Raises:
        BadFileError: it is damaged at its very beginning, or packed twice. Damage further on
            is found where it is read.
    """
    found = _format_of(raw)
    if found is None:
        return raw
    stream = io.BufferedReader(_Unpacked(path, raw, found), _BLOCK)
    inner = _format_of(stream)
    if inner is not None:
        raise BadFileError(
            path, f"{inner.name} inside of {found.name}: it was packed twice",
            f"unpack it once: {found.unpack} {path} > FILE",
        )  # fmt: skip
    return stream


def suffix_of(path: Path) -> str:
    """The suffix of a file's name, that of a packed file left out."""
    is_packed = path.suffix in {known.suffix for known in _FORMATS}
    return Path(path.stem).suffix if is_packed else path.suffix


def plain_name(path: Path) -> str:
    """The name that a file has when it is unpacked."""
    return path.stem if suffix_of(path) != path.suffix else path.name


def is_packed(raw: BinaryIO) -> bool:
    """Whether an open file is packed."""
    return _format_of(raw) is not None


def _format_of(raw: BinaryIO) -> _Format | None:
    """The format of a stream that is at its begin, and stays there."""
    head = raw.read(8)
    raw.seek(0)
    return next((known for known in _FORMATS if re.match(known.magic, head)), None)


class _Unpacked(io.RawIOBase):
    """The content of a packed file, which says where it is damaged."""

    def __init__(self, path: Path, raw: BinaryIO, format_: _Format) -> None:
        super().__init__()
        self._path, self._format = path, format_
        self._stream = format_.open(raw)
        self._most = max(_FREE, _TIMES * os.fstat(raw.fileno()).st_size)

    def readable(self) -> bool:
        """It is read from the begin on."""
        return True

    def seekable(self) -> bool:
        """By unpacking it again."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Raises BadFileError where the file is damaged, or holds too much."""
        at = self._stream.tell()
        try:
            count = int(self._stream.readinto(buffer))
        except _DAMAGE as error:
            raise self._damaged(error, at) from error
        if at + count > self._most:
            raise BadFileError(
                self._path,
                f"it unpacks to more than {self._most >> 20:,} MiB, far more than its size",
                f"unpack it first, if it is what you want: {self._format.unpack} {self._path}",
            )
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Raises BadFileError where the file is damaged."""
        try:
            return int(self._stream.seek(offset, whence))
        except _DAMAGE as error:
            raise self._damaged(error, 0) from error

    def _damaged(self, error: Exception, at: int) -> BadFileError:
        return BadFileError(
            self._path,
            f"the {self._format.name} data is damaged: {error}",
            "copy it again, or have it written again",
            place=f"behind byte {at:,} of what it holds",
        )
