"""Nsight Compute's console output: what `ncu` prints where nothing else is asked for.

Every launch is a heading, `name (grid)x(block), Context 1, Stream 7, Device 0, CC 8.0` (in older
versions it ends with the stream), and below it tables of names, units and values between lines of
dashes. A unit may be missing. Launches have no ID: they are numbered.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.launches import BadLaunchError, Launches
from detbench.readers.ncu_csv import SCHEMA
from detbench.readers.ncu_names import metric_of
from detbench.readers.ncu_table import unit_scale
from detbench.readers.text import open_text

_PROCESS = re.compile(r"\[(\d{1,15})\] \S+@\S+\s*$", re.ASCII)
_LAUNCH = re.compile(
    r"\s+(?P<kernel>\S.*?)(?:,? \(\d+, \d+, \d+\)x\(\d+, \d+, \d+\)|, \d{4}-\w{3}-\d\d [\d:]+)?,"
    r" Context \d+, Stream \d+(?:, Device (?P<device>\d+), CC (?P<cc>\d+\.\d+))?\s*$",
    re.ASCII,
)
_ROW = re.compile(
    r"\s+(?P<name>\S(?:.*?\S)?)\s{2,}(?:(?!\(!\))(?P<unit>\S+)\s+)?(?P<value>\S.*?)\s*$"
)
_DASHES = re.compile(r"\s+-{5,}[ -]*\s*$")
_LONG = 1000  # letters: a row of a table has fewer
_AGAIN = "copy it again, or have it written again: ncu --csv --log-file FILE"


def is_launch(line: str) -> bool:
    """Whether a line is the heading of a launch."""
    return ", Context " in line and _LAUNCH.match(line) is not None


def read_ncu_text(path: Path, metrics: Collection[str]) -> pd.DataFrame:
    """Read the launches in `path` into the same table as `read_ncu_csv`.

    Raises:
        BadFileError: it holds no launch, is cut short, or a number cannot be read with certainty.
    """
    launches = Launches(metrics)
    launches.may_lack.update(metrics)  # its pages show a choice
    try:
        with open_text(path) as lines:
            for launch, name, unit, cell in _values(path, lines, launches, metrics):
                metric = metric_of(name)
                if metric in metrics:
                    launches.add(launch, metric, cell, unit_scale(path, unit))
        if not launches.launch:
            raise BadFileError(path, "no kernel of Nsight Compute in it", _AGAIN)
        return SCHEMA.table(
            {
                "process": np.array(launches.process, np.int64),
                "launch": np.array(launches.launch, np.int64),
                **launches.names(),
                **launches.metrics(),
            }
        )
    except BadLaunchError as error:
        raise BadFileError(path, str(error), _AGAIN, place=f"launch {error.launch}") from error


def _values(
    path: Path, lines: Iterable[str], launches: Launches, metrics: Collection[str]
) -> Iterator[tuple[int, str, str, str]]:
    """For each row of a table: the launch's number, name, unit, value. Adds new launches."""
    process, count, launch = "-1", 0, None
    dashes, line = 0, ""  # since the section began: its table lies behind two and ends at the third
    for number, line in enumerate(lines, 1):
        place = f"line {number}"
        is_heading = is_launch(line)
        if is_heading or line.lstrip().startswith("Section:"):
            if dashes in (1, 2):
                raise BadFileError(path, "the table above has no end", _AGAIN, place=place)
            dashes = 0
        if found := _PROCESS.match(line):
            process = found[1]
        elif is_heading and (found := _LAUNCH.match(line)):
            launch = launches.number(
                0, process, str(count), found["kernel"], found["device"] or "", found["cc"] or ""
            )
            count += 1
        elif launch is None:
            continue
        elif _DASHES.match(line):
            dashes += 1
        elif len(line) < _LONG and (found := _ROW.match(line)):
            if dashes == 2:
                yield launch, found["name"], found["unit"] or "", found["value"]
            elif metric_of(found["name"]) in metrics:
                raise BadFileError(path, "a row outside of a table", _AGAIN, place=place)
    is_ended = line.endswith(("\n", "\r")) or not line[:1].isspace() or _DASHES.match(line)
    if launch is not None and (dashes in (1, 2) or not is_ended):
        raise BadFileError(path, "its last table has no end: cut short", _AGAIN)
