"""SQLite files that profilers export: opened read-only, read in blocks, refused in one place."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.schema import blocks, categorical
from detbench.readers.sqlite_pages import Integers, read_integers
from detbench.readers.text import on_disk, read_head

MAGIC = b"SQLite format 3\x00"
_HEADER = 100
_BLOCK = 10_000  # rows held as Python objects at a time
_FEW = 1 << 16  # a table of so many numbers fits a processor's cache
_AGAIN = "copy it again, or have it exported again"


class Database:
    """An open database and what its tables hold."""

    def __init__(self, path: Path, connection: sqlite3.Connection, file: Path) -> None:
        self.path = path  # what the user named
        self._file = file  # where its pages lie
        self._connection = connection
        names = [row[0] for row in connection.execute("select name from sqlite_master")]
        self.columns: dict[str, set[str]] = {
            name: {row[1] for row in connection.execute(f'pragma table_info("{name}")')}
            for name in names
        }

    def table(self, name: str) -> str | None:
        """The table of this name, or its newest version (`NAME_V3`); None if there is neither."""
        versions = [n for n in self.columns if re.fullmatch(rf"{name}(_V\d+)?", n)]
        return max(versions, key=lambda n: (len(n), n), default=None)

    def integers(self, table: str, columns: list[str]) -> list[Integers]:
        """Whole columns of a table.

        Raises:
            BadFileError: a column is missing, or a value is not a whole number.
        """
        missing = [name for name in columns if name not in self.columns[table]]
        if missing:
            raise BadFileError(
                self.path, f"table {table} has no column {', '.join(missing)}", _AGAIN
            )
        plain = self._plain_integers(table, columns)
        if plain is not None:
            return plain
        wanted = ", ".join(f'"{name}"' for name in columns)
        cursor = self._connection.execute(f'select {wanted} from "{table}"')  # noqa: S608
        blocks = [np.empty((0, len(columns)), np.int64)]
        while rows := cursor.fetchmany(_BLOCK):
            try:
                block = np.array(rows)
                if block.dtype != np.int64:
                    raise ValueError(f"values of type {block.dtype}")
            except (ValueError, OverflowError) as error:
                raise BadFileError(
                    self.path,
                    f"a value in {wanted} is not a whole number",
                    _AGAIN,
                    place=f"table {table}",
                ) from error
            blocks.append(block)
        return list(np.concatenate(blocks).T)

    def _plain_integers(self, table: str, columns: list[str]) -> list[Integers] | None:
        """The columns, read from the file's pages; None if this table cannot be read that way."""
        found = self._connection.execute(
            "select rootpage from sqlite_master where type = 'table' and name = ?", (table,)
        ).fetchone()
        declared = self._connection.execute(f'pragma table_xinfo("{table}")').fetchall()
        if not found or any(hidden for *_, hidden in declared):
            return None
        place = {name: index for index, name, kind, *_ in declared if "INT" in kind.upper()}
        if not place.keys() >= set(columns):
            return None  # a column of another type, to which SQLite would convert the values
        return read_integers(self._file, found[0], [place[name] for name in columns])

    def strings(self, table: str, key: str, value: str) -> dict[int, str]:
        """A table of strings, by number; empty if there is none."""
        if not {key, value} <= self.columns.get(table, set()):
            return {}
        rows = self._connection.execute(f'select "{key}", "{value}" from "{table}"')  # noqa: S608
        return {int(number): str(text) for number, text in rows}

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """All rows of a query at once; meant for small tables."""
        return self._connection.execute(query).fetchall()


@contextmanager
def open_database(path: Path) -> Iterator[Database]:
    """Open a SQLite file for reading.

    Raises:
        BadFileError: it is not a database, or it proves to be damaged while it is open.
    """
    with on_disk(path) as file:
        head = read_head(file, _HEADER)
        size = file.stat().st_size
        if not head.startswith(MAGIC):
            raise BadFileError(path, "not a SQLite database", _AGAIN)
        # SQLite reads the missing end of the last page as zeros.
        if size < _size(head):
            raise BadFileError(path, f"cut short: its header says {_size(head):,} bytes", _AGAIN)
        connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        connection.text_factory = lambda content: content.decode("utf-8", errors="replace")
        try:
            yield Database(path, connection, file)
        except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
            raise BadFileError(path, f"the database is damaged: {error}", _AGAIN) from error
        finally:
            connection.close()


def _size(head: bytes) -> int:
    """The size of a database by its header ("Database File Format", SQLite 3, section 1.3)."""
    page = int.from_bytes(head[16:18], "big")
    return (1 << 16 if page == 1 else page) * max(1, int.from_bytes(head[28:32], "big"))


def named(ids: Integers, names: dict[int, str]) -> pd.Categorical[str]:
    """Numbers replaced by their names; one without a name becomes `#number`."""
    low, high = int(ids.min(initial=0)), int(ids.max(initial=0))
    if high - low > _FEW:
        places, known = pd.factorize(ids, sort=True)
        codes, unique = _codes(known, names)
        return categorical(codes[places], unique)
    # A table of all numbers between them; in blocks, as ten million are a lot to hold twice.
    is_there = np.zeros(high - low + 1, bool)
    for some in blocks(len(ids)):
        is_there[ids[some] - low] = True
    codes, unique = _codes(np.flatnonzero(is_there) + low, names)
    table = np.zeros(len(is_there), codes.dtype)
    table[is_there] = codes
    named = np.empty(len(ids), codes.dtype)
    for some in blocks(len(ids)):
        named[some] = table[ids[some] - low]
    return categorical(named, unique)


def _codes(numbers: Integers, names: dict[int, str]) -> tuple[Integers, list[str]]:
    """The place of each number's name among the names, and these."""
    texts = [names.get(int(number), f"#{number}") for number in numbers]
    unique = list(dict.fromkeys(texts))  # two numbers may have the same name
    position = {text: index for index, text in enumerate(unique)}
    smallest = np.min_scalar_type(-max(1, len(unique)))
    return np.array([position[text] for text in texts], smallest), unique
