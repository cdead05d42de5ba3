"""Integers from a SQLite file's pages: what SQLite says, or no answer."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from detbench.readers.sqlite_pages import read_integers

Row = tuple[object, ...]
INTEGERS = st.one_of(
    st.sampled_from([0, 1, -1, 127, -128, 128, 1 << 15, -(1 << 23), 1 << 31, 1 << 47]),
    st.integers(-(1 << 63), (1 << 63) - 1),
)
FOREIGN = st.one_of(st.none(), st.floats(allow_nan=False), st.text(max_size=90), st.binary())


def write(
    path: Path,
    rows: Sequence[Row],
    page_size: int = 512,
    deleted: int = 0,
    row_ids: Sequence[int] = (),
) -> tuple[int, list[Row]]:
    """A table in a file: its root page, and what SQLite reads from its columns a and c."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute(f"pragma page_size = {page_size}")
    connection.execute("create table t (a integer, b integer, c integer)")
    connection.executemany("insert into t values (?, ?, ?)", rows)
    for row_id in row_ids:
        connection.execute(
            "insert or replace into t (rowid, a, b, c) values (?, 4, 5, 6)", [row_id]
        )
    if deleted:
        connection.execute("delete from t where rowid % ? = 0", [deleted])
    connection.commit()
    asked = connection.execute("select a, c from t").fetchall()
    root = connection.execute("select rootpage from sqlite_master where name = 't'").fetchone()[0]
    connection.close()
    return root, asked


def answer(path: Path, root: int, columns: Sequence[int] = (0, 2)) -> list[Row] | None:
    found = read_integers(path, root, columns)
    return None if found is None else list(zip(*(column.tolist() for column in found), strict=True))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.sqlite"


SHARED_PATH = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@SHARED_PATH
@given(
    st.lists(st.tuples(INTEGERS, INTEGERS, INTEGERS), max_size=300),
    st.sampled_from([512, 4096, 65536]),
    st.sampled_from([0, 2, 3]),
    st.lists(INTEGERS, max_size=5),
)
def test_integers_are_those_that_sqlite_reads(
    path: Path, rows: list[Row], page_size: int, deleted: int, row_ids: list[int]
) -> None:
    root, asked = write(path, rows, page_size, deleted, row_ids)
    assert answer(path, root) == asked


@SHARED_PATH
@given(st.lists(st.tuples(INTEGERS, INTEGERS, FOREIGN), min_size=1, max_size=20))
@example([(1, 2, None)])
@example([(1, 2, 2.5)])
def test_a_value_that_is_no_integer_is_no_answer(path: Path, rows: list[Row]) -> None:
    root, asked = write(path, rows)
    converted = all(type(value) is int for row in asked for value in row)  # "7" becomes 7
    assert answer(path, root) == (asked if converted else None)


def test_many_pages_at_several_levels(path: Path) -> None:
    rows = [(i, -i, i * i) for i in range(60_000)]
    root, asked = write(path, rows)
    assert answer(path, root) == asked == [(a, c) for a, _, c in rows]


def test_rows_longer_than_a_page_are_no_answer(path: Path) -> None:
    root, _ = write(path, [(1, "x" * 2000, 2)])
    assert answer(path, root) is None


def test_a_column_that_later_was_added_is_no_answer(path: Path) -> None:
    root, _ = write(path, [(1, 2, 3)])
    with sqlite3.connect(path) as connection:
        connection.execute("alter table t add column d integer default 9")
    assert answer(path, root, (0, 3)) is None


def test_a_table_without_row_ids_is_no_answer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (a integer primary key, b integer) without rowid")
        connection.execute("insert into t values (1, 2)")
        (root,) = connection.execute("select rootpage from sqlite_master").fetchone()
    assert answer(path, root, (0, 1)) is None


@SHARED_PATH
@given(st.data())
def test_a_damaged_file_is_never_a_crash(path: Path, data: st.DataObject) -> None:
    root, _ = write(path, [(i, i, 1000 * i) for i in range(400)])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(100, len(content) - 1))] = data.draw(st.integers(0, 255))
    kept = data.draw(st.sampled_from([len(content), len(content) // 2, 512 * 5]))
    path.write_bytes(content[:kept])
    found = read_integers(path, root, (0, 2))
    assert found is None or all(column.dtype == np.int64 for column in found)
