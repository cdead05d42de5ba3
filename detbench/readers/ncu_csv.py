"""Nsight Compute CSV: long, one row per kernel and metric, or wide, one row per kernel.

`ncu --csv --metrics ...` writes the long form, and so does `ncu --csv` alone, with labels in place
of metrics (the details page). The wide one comes from `--page raw` and has a row of units under its
header. The columns vary by version; those named here are in all versions since 2020. Other lines
around and between the rows (`==PROF==`, the output of the program) are skipped. A second header
begins another table, for instance when several processes wrote one log.
"""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.launches import BadLaunchError, Launches
from detbench.readers.ncu_messages import cause
from detbench.readers.ncu_pattern import Found, Pattern
from detbench.readers.ncu_table import AGAIN, HEADER, Rows
from detbench.readers.schema import Column, Schema
from detbench.readers.text import open_text

SCHEMA = Schema(
    (
        Column("process", "int64", "process id; -1 if the file has none"),
        Column("launch", "int64", "the kernel launch's ID within its process"),
        Column("kernel", "category", "kernel name"),
        Column("device", "category", "device number; empty if the version does not write it"),
        Column("capability", "category", "compute capability, `9.0`; empty if it is not written"),
    )
)
"""One row per kernel launch; then one float64 column per metric, in base units."""

_BLOCK = 1 << 18  # characters of text taken apart at a time, few enough for a processor's cache


def read_ncu_csv(path: Path, metrics: Collection[str]) -> pd.DataFrame:
    """Read the launches in `path` and those of `metrics` that were collected.

    A metric that the file does not name has no column; one that ncu could not measure is NaN.

    Raises:
        BadFileError: it is not such a file, holds no kernel, is truncated, or a number in it
            cannot be read with certainty.
    """
    try:
        return _read(path, metrics, by_pattern=True)
    except BadFileError:
        return _read(path, metrics, by_pattern=False)  # tells the line and the cause


def _read(path: Path, metrics: Collection[str], *, by_pattern: bool) -> pd.DataFrame:
    launches = Launches(metrics)
    rows = Rows(path, launches, metrics)
    try:
        with open_text(path) as stream:
            if by_pattern:
                _add_blocks(stream, rows)
            else:
                rows.add_lines(stream)
        if not launches.launch:
            raise BadFileError(path, _why_no_kernel(path), AGAIN)
        return SCHEMA.table(
            {
                "process": np.array(launches.process, np.int64),
                "launch": np.array(launches.launch, np.int64),
                **launches.names(),
                **launches.metrics(),
            }
        )
    except BadLaunchError as error:
        raise BadFileError(path, str(error), AGAIN, place=f"launch {error.launch}") from error


def _add_blocks(stream: TextIO, rows: Rows) -> None:
    """Add the lines of a file: those of regular launches by their pattern, the rest row by row."""
    pattern: Pattern | None = None
    rest = ""
    while block := stream.read(_BLOCK):
        text = "".join((rest, block, stream.readline()))
        found = pattern.split(text) if pattern is not None else None
        if pattern is None or found is None or any(map(_is_header, found.parts)):
            rest = ""
            rows.add_lines(io.StringIO(text, newline=""))
            pattern = rows.pattern(io.StringIO(text, newline=""))
            continue
        rest = found.rest
        for part in found.parts:
            if isinstance(part, str):
                rows.add_lines([part])
            else:
                rows.add_launches(pattern, part)
    rows.add_lines(io.StringIO(rest, newline=""))


def _is_header(part: Found | str) -> bool:
    return isinstance(part, str) and part.startswith(HEADER)


def _why_no_kernel(path: Path) -> str:
    """What Nsight Compute said in a log without a table."""
    with open_text(path) as stream:
        said = cause(stream)
    return f"no kernel in it; it says: {said}" if said else "no table of Nsight Compute in it"
