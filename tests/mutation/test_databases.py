"""SQLite timelines with tables, columns or values gone wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tests.mutation.outcome import parse
from tests.mutation.timelines import NSYS

SCRIPTS = {
    **{f"nsys {version}": script for version, script in NSYS.items()},
    "nvprof file": builders.NVPROF_TABLES,
}
ANSWERS = {"nvprof file": {"0": (50, 2)}}  # device: busy %, kernels
NSYS_ANSWER = {"0": (30, 2), "1": (60, 1)}
# What may stand in a column of integers.
POISON = ["null", "'soon'", "''", "1.5", "x'00ff'", "9223372036854775807", "-9223372036854775808",
          "-1", "1e300", "'\ud7ff'"]  # fmt: skip

of_each = pytest.mark.parametrize("name", SCRIPTS)


@pytest.fixture
def told(tmp_path: Path) -> Callable[[str, str], Any]:
    """What is told of a database after some more SQL: by device, busy share and kernels."""

    def parsed(name: str, sql: str) -> Any:
        path = tmp_path / "mutated.sqlite"
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as connection:
            connection.executescript(SCRIPTS[name] + sql)
        connection.close()
        parse(path, "compute-util", "--by", "kernel", of=name)
        rows = parse(path, "compute-util", "--by", "device", of=name)
        return rows and {row["device"]: (row["busy (%)"], row["kernels"]) for row in rows}

    return parsed


def columns(name: str) -> list[tuple[str, str]]:
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCRIPTS[name])
    tables = [row[0] for row in connection.execute("select name from sqlite_master")]
    return [(t, row[1]) for t in tables for row in connection.execute(f"pragma table_info({t})")]


def is_about_kernels(table: str) -> bool:
    return "KERNEL" in table


@of_each
def test_without_a_table(told: Callable[[str, str], Any], name: str) -> None:
    answer = ANSWERS.get(name, NSYS_ANSWER)
    for table in {table for table, _ in columns(name)}:
        found = told(name, f"drop table {table};")
        if "NVTX" in table:  # its ranges were the window: now [100, 250) and [100, 400)
            assert found == {"0": (100, 2), "1": (100, 1)}
        elif (is_about_kernels(table) or table == "StringIds") and found is None:
            continue
        else:  # kernels' names and copies have no part in a busy share
            assert found == answer, table


@of_each
def test_without_a_column(told: Callable[[str, str], Any], name: str) -> None:
    answer = ANSWERS.get(name, NSYS_ANSWER)
    for table, column in columns(name):
        found = told(name, f'alter table {table} rename column "{column}" to other;')
        needed = table != "Version" and column in {"start", "end", "deviceId", "streamId", "name"}
        assert found == answer or (found is None and needed | (column in NEEDED)), (table, column)


NEEDED = {"copyKind", "demangledName", "eventType", "text", "textId", "value", "id", "_id_"}


@of_each
@pytest.mark.parametrize("rows", ["rowid = 1", "true"])
def test_other_values_in_a_column(told: Callable[[str, str], Any], name: str, rows: str) -> None:
    answer = ANSWERS.get(name, NSYS_ANSWER)
    for table, column in columns(name):
        for value in POISON:
            found = told(name, f'update {table} set "{column}" = {value} where {rows};')
            harmless = column not in {"start", "end", "deviceId", "eventType", "text", "textId"}
            if harmless and table != "StringIds":
                assert found in (answer, None), (table, column, value)


@of_each
def test_an_empty_table_is_as_none(told: Callable[[str, str], Any], name: str) -> None:
    for table in {table for table, _ in columns(name) if is_about_kernels(table)}:
        found = told(name, f"delete from {table};")
        assert found is None or table == "CUPTI_ACTIVITY_KIND_KERNEL"


@of_each
def test_rows_in_another_order(told: Callable[[str, str], Any], name: str) -> None:
    table = next(t for t, _ in columns(name) if is_about_kernels(t))
    found = told(
        name,
        f"create table shuffled as select * from {table} order by deviceId desc, streamId desc, "
        f'"start" desc; drop table {table}; alter table shuffled rename to {table};',
    )
    assert found == ANSWERS.get(name, NSYS_ANSWER)
