"""SQL over the table of runs, and its export to Parquet, both through DuckDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from detbench.errors import MissingError, UsageError
from detbench.new_file import new_file

_SEALED = ("enable_external_access = false", "python_enable_replacements = false")


def query(runs: pd.DataFrame, sql: str) -> pd.DataFrame:
    """The result of one SELECT over the table `runs`. It can neither read anything else nor write.

    Raises:
        UsageError: it is not one SELECT, or DuckDB rejects it.
        MissingError: the package duckdb is not installed.
    """
    duckdb = _duckdb()
    with duckdb.connect(":memory:") as connection:
        connection.register("given", runs)
        connection.execute("create table runs as select * from given")
        connection.unregister("given")
        for setting in (*_SEALED, "lock_configuration = true"):
            connection.execute(f"set {setting}")
        try:
            statements = connection.extract_statements(sql)
            if [s.type for s in statements] != [duckdb.StatementType.SELECT]:
                raise UsageError(f"--sql takes one SELECT, not '{sql}'", "query the table runs")
            found: pd.DataFrame = connection.execute(statements[0]).fetchdf()
        except duckdb.Error as error:
            said = str(error).partition("\n\nLINE")[0]
            raise UsageError(
                f"--sql: {said}", "the only table is runs; docs/formats.md lists its columns"
            ) from error
    for name in found:
        if pd.api.types.is_object_dtype(found[name]):
            found[name] = found[name].map(_printable)
    return found


def write_parquet(runs: pd.DataFrame, path: Path) -> None:
    """Write the table to a new Parquet file.

    Raises:
        UsageError: the file exists, or cannot be written.
        MissingError: the package duckdb is not installed.
    """
    duckdb = _duckdb()
    with new_file(path, "--output"):
        pass  # DuckDB itself would overwrite an existing file
    try:
        with duckdb.connect(":memory:") as connection:
            connection.from_df(runs).write_parquet(str(path))
    except duckdb.Error as error:
        path.unlink()
        raise UsageError(
            f"--output {path} cannot be written: {error}", "free some space"
        ) from error


def _printable(value: Any) -> Any:
    """A cell that can be printed: lists, structs, UUIDs and bytes become texts."""
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def _duckdb() -> Any:
    try:
        import duckdb
    except ModuleNotFoundError as error:
        raise MissingError(
            "SQL and Parquet need the Python package duckdb", "pip install duckdb"
        ) from error
    return duckdb
