"""Columns of whole numbers straight from the pages of a SQLite file.

Fetching a million kernels through `sqlite3` makes six million Python objects, which takes longer
than everything else; here numpy decodes a block of pages at a time. Only the plain case is
supported, a table of whole numbers as profilers write it; in any other case, and in doubt, the
result is None, and the caller has to use SQLite. Layout: "Database File Format", SQLite 3.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

_INNER, _LEAF = 5, 13  # page types of a table with row ids
_BLOCK = 1 << 19  # bytes decoded at a time, few enough for a processor's cache
_MAX_DEPTH = 20  # of a tree; SQLite's own limit
_MAX_CODE = 127  # of a column type in one byte; text may have a greater one
# The length in bytes of each type of value; 10 and 11 are reserved.
_LENGTHS = np.array(
    [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0, *((code - 12) // 2 for code in range(12, 128))], np.int64
)
_ZERO, _ONE = 8, 9  # the types of values that take no bytes
_IS_INTEGER = np.isin(np.arange(128), [1, 2, 3, 4, 5, 6, _ZERO, _ONE])
_NO_CODES = np.int64(-0x7F7F7F7F7F7F7F80)  # the highest bit of each of eight bytes
_MOST_KINDS = 1000  # combinations of types in a block
_SPARE = 35  # bytes; a row that leaves less of a page free spreads over several pages
_PADDING = 1 << 14  # bytes; a damaged row may point past its page, by less than this


class _UnusualError(Exception):
    """The pages are not of the plain case."""


def read_integers(path: Path, root: int, columns: Sequence[int]) -> list[Integers] | None:
    """Columns of the table whose tree begins in page `root`, given by their place in its rows.

    None if they cannot be read with certainty: a value is not a whole number (as in the column of
    row ids), a row spreads over several pages, the table has no row ids, or a page is damaged.
    """
    with path.open("rb") as stream:
        try:
            pages = _Pages(stream.fileno())
            leaves = pages.leaves(root)
            found = [_Column() for _ in columns]
            at_once = max(1, _BLOCK // pages.size)
            for first in range(0, len(leaves), at_once):
                some = leaves[first : first + at_once]
                values = _values(pages, some, columns)
                for column, block in zip(found, values, strict=True):
                    column.add(block, share=(first + len(some)) / len(leaves))
        except _UnusualError:
            return None
    return [column.whole() for column in found]


class _Column:
    """A column that grows, with room for the rest by the share of it that has come."""

    def __init__(self) -> None:
        self._values: Integers = np.empty(0, np.int64)
        self._length = 0

    def add(self, block: Integers, share: float) -> None:
        """Append a block, with which the column has `share` of its values."""
        length = self._length + len(block)
        if length > len(self._values):
            # Memory that is never written is never taken.
            larger = np.empty(int(1.1 * length / share) + 1, np.int64)
            larger[: self._length] = self.whole()
            self._values = larger
        self._values[self._length : length] = block
        self._length = length

    def whole(self) -> Integers:
        """All values so far."""
        return self._values[: self._length]


class _Pages:
    """The pages of an open file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        head = os.pread(descriptor, 100, 0)
        size = int.from_bytes(head[16:18], "big")
        self.size = 1 << 16 if size == 1 else size
        self.usable = self.size - head[20]
        _expect(self.size >= 512)
        self._buffer = bytearray()
        self._count = os.fstat(descriptor).st_size // self.size

    def read(self, numbers: Integers) -> memoryview:
        """These pages one after the other, and padding after them; valid until the next call."""
        _expect(numbers.min() > 1 and numbers.max() <= self._count)
        size = len(numbers) * self.size
        if len(self._buffer) < size + _PADDING:
            self._buffer = bytearray(size + _PADDING)
        view = memoryview(self._buffer)
        at = 0
        for run in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
            length = len(run) * self.size
            found = os.preadv(
                self._descriptor, [view[at : at + length]], int(run[0] - 1) * self.size
            )
            _expect(found == length)
            at += length
        return view[: size + _PADDING]

    def leaves(self, root: int) -> Integers:
        """The numbers of the pages that hold a table's rows, in order."""
        level = np.array([root], np.int64)
        for _ in range(_MAX_DEPTH):
            if self.read(level[:1])[0] == _LEAF:  # all leaves are on one level
                return level
            children = []
            for page in level:
                content = self.read(np.array([page]))
                _expect(content[0] == _INNER)
                at, _ = _cells(content, self, header=12)
                last = int.from_bytes(content[8:12], "big")
                children.append(np.append(_view(content, ">u4")[at], last))
            level = np.concatenate(children).astype(np.int64)
            _expect(len(level) <= self._count)
        raise _UnusualError


def _expect(is_plain: bool | np.bool_) -> None:
    if not is_plain:
        raise _UnusualError


def _view(content: memoryview, dtype: str) -> npt.NDArray[np.int64]:
    """The number that begins at each byte."""
    kind = np.dtype(dtype)
    return np.ndarray((len(content) - kind.itemsize + 1,), kind, content, strides=(1,))


def _cells(content: memoryview, pages: _Pages, header: int) -> tuple[Integers, Integers]:
    """The start of every cell in some pages, and the end of its page."""
    bases = np.arange(0, len(content) - _PADDING, pages.size)
    counts = _view(content, ">u2")[bases + 3].astype(np.int64)
    most = int(counts.max(initial=0))
    _expect(header + 2 * most <= pages.usable)
    octets = np.frombuffer(content, np.uint8)[: len(bases) * pages.size].reshape(len(bases), -1)
    pointers = np.ascontiguousarray(octets[:, header : header + 2 * most]).view(">u2")
    within = pointers[np.arange(most) < counts[:, None]].astype(np.int64)
    _expect((within >= header).all() and (within < pages.usable).all())
    base = np.repeat(bases, counts)
    return base + within, base + pages.usable


def _values(pages: _Pages, numbers: Integers, columns: Sequence[int]) -> list[Integers]:
    """The columns of the rows in some leaves."""
    content = pages.read(numbers)
    octets = np.frombuffer(content, np.uint8)
    _expect((octets[: len(numbers) * pages.size : pages.size] == _LEAF).all())
    at, page_end = _cells(content, pages, header=8)
    # A cell: length of the row and row id, both numbers of variable length; then the row.
    first, second = octets[at].astype(np.int64), octets[at + 1].astype(np.int64)
    is_long = first > _MAX_CODE
    _expect(not (is_long & (second > _MAX_CODE)).any())
    length = np.where(is_long, ((first & _MAX_CODE) << 7) | second, first)
    at = _after_number(octets, at + 1 + is_long)
    row_end = at + length
    _expect((row_end <= page_end).all() and (length <= pages.usable - _SPARE).all())
    # A row: length of its header, the type of each column, the values.
    header = octets[at]
    num_types = max(columns) + 1
    _expect((header <= _MAX_CODE).all() and (header > num_types).all())
    longs = _view(content, ">i8")
    found = [np.empty(len(at), np.int64) for _ in columns]
    for types, rows in _alike(longs, at + 1, num_types):
        # Rows of the same types have their values in the same places.
        sizes = _LENGTHS[types]
        ends = np.cumsum(sizes)
        place = at[rows] + header[rows]
        _expect((place + ends[-1] <= row_end[rows]).all())
        for values, column in zip(found, columns, strict=True):
            kind, size = types[column], int(sizes[column])
            _expect(_IS_INTEGER[kind])
            if size == 0:
                values[rows] = kind == _ONE
                continue
            # Take the eight bytes that end with the value, and shift out those before it.
            value = longs[place + (int(ends[column]) - 8)].astype(np.int64)
            value <<= 64 - 8 * size
            value >>= 64 - 8 * size
            values[rows] = value
    return found


def _alike(
    longs: npt.NDArray[np.int64], at: Integers, num_types: int
) -> Iterator[tuple[Integers, Integers | slice]]:
    """The types of the first columns, which begin at `at`, and the rows that have these types."""
    words = [longs[at + first].astype(np.int64) for first in range(0, num_types, 8)]
    words[-1] >>= 8 * (-num_types % 8)  # these are types of further columns
    for word in words:
        _expect(not (word & _NO_CODES).any())
    left: Integers = np.arange(len(at), dtype=np.int64)
    for _ in range(_MOST_KINDS):
        if not len(left):
            return
        octets = b"".join(int(word[0]).to_bytes(8, "big") for word in words)
        last = octets[-8:][-num_types % 8 :]
        types = np.frombuffer(octets[:-8] + last, np.uint8).astype(np.int64)
        is_alike = np.logical_and.reduce([word == word[0] for word in words])
        if is_alike.all():
            yield types, slice(None) if len(left) == len(at) else left
            return
        yield types, left[is_alike]
        left = left[~is_alike]
        words = [word[~is_alike] for word in words]
    raise _UnusualError


def _after_number(octets: npt.NDArray[np.uint8], at: Integers) -> Integers:
    """The position after a number of variable length: up to eight bytes > 127, then its last."""
    for _ in range(8):
        more = octets[at] > _MAX_CODE
        if not more.any():
            break
        at = at + more
    return at + 1
