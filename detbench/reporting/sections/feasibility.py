"""What trains on each GPU profile, as decided by sweeps, and why other cells do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from detbench.errors import BadFileError
from detbench.records.store import RECORD, Run
from detbench.reporting.charts.status_map import status_map
from detbench.reporting.heat_map import COLORS
from detbench.reporting.labels import several
from detbench.reporting.measurements import Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section
from detbench.sweeping.cells import as_state
from detbench.sweeping.matrix import cells
from detbench.sweeping.search import OUT_OF_MEMORY, Row

_TITLE = "Feasibility"
_KEY = ["model", "mode", "batch size"]
_COLUMNS = ("status", "source", "cause", "images/s", "peak memory (MiB)")
_STATUSES = tuple(COLORS)
_AGAIN = "write a new one: detbench sweep"


def feasibility(runs: Runs) -> Section | LeftOut:
    """One heat map per GPU profile, with the cause in each cell's hover text.

    A cell comes from the newest sweep's table that has it. A profile without such tables is drawn
    from its runs, if one of them ran out of memory.
    """
    problems: list[str] = []
    exhibits = []
    for folder in dict.fromkeys(folder.parent for folder, _ in runs.items):
        own = [run for run in runs.items if run.folder.parent == folder]
        tables = dict(_sweeps(folder, problems))
        if tables:
            table = pd.concat(tables.values()).drop_duplicates(_KEY, keep="last")
            exhibits.append(_map(own[0][1].spec.gpu_profile, table, list(tables)))
        elif any(record.status in OUT_OF_MEMORY for _, record in own):
            profile = own[0][1].spec.gpu_profile
            sources = [f / RECORD for f, _ in own]
            exhibits.append(_map(profile, cells(_rows(own), profile), sources))
    if not exhibits:
        return LeftOut(_TITLE, "no sweep left a table, and no run ran out of memory", problems)
    return Section(_TITLE, exhibits, problems=problems)


def _sweeps(folder: Path, problems: list[str]) -> Iterator[tuple[Path, pd.DataFrame]]:
    """The tables of sweeps on a profile, oldest first."""
    for path in sorted(folder.glob("feasibility_*.csv")):
        try:
            yield path, _read(path)
        except BadFileError as error:
            problems.append(str(error))


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise BadFileError(path, f"cannot be read as CSV: {error}", _AGAIN) from error
    lacking = [name for name in (*_KEY, *_COLUMNS) if name not in table]
    if lacking:
        raise BadFileError(path, f"not a sweep's table: no column {lacking[0]}", _AGAIN)
    if not set(table["status"]) <= set(_STATUSES) or table["batch size"].dtype.kind != "i":
        raise BadFileError(path, "a status or a batch size is invalid", _AGAIN)
    return table


def _rows(own: Sequence[Run]) -> list[Row]:
    """Rows of the matrix from runs; the newest run of a cell counts."""
    found: dict[tuple[str, str], dict[int, Any]] = {}
    for folder, record in own:
        if record.status != "interrupted" and record.spec.train:
            row = found.setdefault((record.spec.model, record.spec.mode), {})
            row[record.spec.batch_size] = as_state(folder, record)
    return [
        Row(model, mode, tuple(sorted(states)), states) for (model, mode), states in found.items()
    ]


def _map(profile: str, table: pd.DataFrame, sources: Sequence[Path]) -> Exhibit:
    table = table.dropna(axis="columns", how="all")
    statuses = table["status"].value_counts()
    return Exhibit(
        f"What trains on {profile}",
        table,
        Basis(
            "a short training per cell; see the runs' own windows",
            "a cell is a model, mode and batch size; * is implied by another cell, ~ is predicted",
            ", ".join(f"{number} {status}" for status, number in statuses.items()),
        ),
        sources=sources,
        chart=status_map(table),
        notes=[f"Each cell comes from the newest of {several(len(sources), 'file')} that has it."],
    )
