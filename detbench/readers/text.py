"""Opens files that other programs wrote: unreadable and packed ones, encodings, lines of CSV."""

from __future__ import annotations

import codecs
import csv
import io
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from detbench.errors import BadFileError
from detbench.readers.line_prefix import Unprefixed, common_prefix
from detbench.readers.packed import is_packed, plain_name, unpacked
from detbench.readers.terminal import Lines

_BLOCK = 1 << 17
_HEAD = 1 << 16  # characters in which what stands before every line shows


@contextmanager
def open_bytes(path: Path, *, to_end: bool = True) -> Iterator[BinaryIO]:
    """Open a file; one that is packed (gzip, bzip2, xz) is unpacked as it is read.

    Args:
        path: the file.
        to_end: whether damage in the part of a packed file that the caller leaves unread counts,
            too. Its checksum is at its end.

    Raises:
        BadFileError: it is not a file, or it cannot be read to the end.
    """
    with _opened(path) as raw:
        stream = unpacked(path, raw)
        yield stream
        while to_end and stream is not raw and stream.read(_BLOCK):
            pass


@contextmanager
def on_disk(path: Path) -> Iterator[Path]:
    """The file, or of a packed one a temporary file with what it holds, for what seeks in it.

    Raises:
        BadFileError: it cannot be read, or there is no room for what it holds.
    """
    with _opened(path) as raw:
        is_plain = not is_packed(raw)
    if is_plain:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="detbench-") as folder:
        file = Path(folder) / plain_name(path)
        with open_bytes(path) as stream:
            try:
                with file.open("wb") as out:
                    shutil.copyfileobj(stream, out, _BLOCK)
            except OSError as error:
                raise BadFileError(
                    path,
                    f"cannot be unpacked into {folder}: {error.strerror or error}",
                    "set TMPDIR to a folder with room for what it holds, or unpack it yourself",
                ) from error
        yield file


def encoding_of(head: bytes) -> str:
    """The encoding of a text file that begins with `head`. PowerShell's `>` writes UTF-16."""
    is_utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return "utf-16" if is_utf16 else "utf-8-sig"


def is_text(head: bytes) -> bool:
    """Whether a file that begins with `head` may be text."""
    return head != b"" and "\0" not in head.decode(encoding_of(head), "replace")


@contextmanager
def open_text(path: Path, *, prefixed: bool = False) -> Iterator[TextIO]:
    """Open a text file; a BOM is dropped, bytes that are not text become replacement marks.

    Args:
        path: the file.
        prefixed: whether what a launcher put before every line stays, as its times may count.

    Raises:
        BadFileError: it is not a readable file, or it is empty.
    """
    with open_bytes(path) as raw:
        encoding = encoding_of(raw.read(2))
        raw.seek(0)
        plain = io.BufferedReader(Lines(path, raw, encoding), _BLOCK)
        stream: TextIO = io.TextIOWrapper(plain, encoding=encoding, errors="replace", newline="")
        if not (head := stream.read(_HEAD)):
            raise BadFileError(path, "the file is empty", "copy it again, or ask for another file")
        stream.seek(0)
        if not prefixed and (prefix := common_prefix(head)):
            cut = io.BufferedReader(Unprefixed(stream, prefix), _BLOCK)
            stream = io.TextIOWrapper(cut, encoding="utf-8", newline="")
        yield stream


def read_head(path: Path, num_bytes: int) -> bytes:
    """The first bytes of a file, which tell its format.

    Raises:
        BadFileError: it cannot be read.
    """
    with open_bytes(path, to_end=False) as stream:
        return stream.read(num_bytes)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file as it is."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise BadFileError(path, "cannot be read: it is a folder", "name a file in it")
        if not stat.S_ISREG(mode):  # a pipe could block forever, and cannot be reread
            raise BadFileError(path, "cannot be read: it is not a file", "write it to a file first")
        with path.open("rb") as raw:
            yield raw
    except OSError as error:
        raise BadFileError(
            path, f"cannot be read: {error.strerror or error}", "check the path"
        ) from error


def csv_cells(path: Path, line: str, place: str) -> list[str]:
    """The cells of one line of CSV.

    Raises:
        BadFileError: it is not CSV.
    """
    # Logs of many GB quote every cell, and few cells contain a quote. Where the line has exactly
    # two quotes per cell, splitting it is all the parsing it needs.
    text = line.rstrip("\r\n")
    cells = text[1:-1].split('","')
    if text[:1] == text[-1:] == '"' and text.count('"') == 2 * len(cells):
        return cells
    try:
        return next(csv.reader([line], skipinitialspace=True), [])
    except csv.Error as error:
        raise BadFileError(
            path, f"not CSV: {error}", "copy it again, or have it written again", place=place
        ) from error
