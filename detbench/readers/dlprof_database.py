"""DLProf's database (`dlprof_dldb.sqlite`): kernels and copies with their times, and iterations.

Kernels are in `read_only_kernels`, copies in `read_only_memcpys` and `read_only_memsets`, names in
`dictionary`. The iterations are those that DLProf aggregated, from the start to the end that it
gives them (DLProf 1.8, the last version).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.database import Database, named, open_database
from detbench.readers.numbers import impossible
from detbench.readers.schema import categorical
from detbench.readers.timeline import ACTIVITIES, NO_RANGES, RANGES, TENSOR, Timeline

KERNELS = "read_only_kernels"
_COPIES = {"read_only_memcpys": "Memcpy", "read_only_memsets": "Memset"}
_TIMES = ["gpu_start", "gpu_stop", "device_id"]
_AGAIN = "copy it again, or ask for nsys_profile.sqlite, which dlprof writes beside it"
_TENSOR = ("no", "yes")

Integers = npt.NDArray[np.int64]


def is_dlprof_database(path: Path) -> bool:
    """Whether an SQLite file is DLProf's; a damaged one is not."""
    try:
        with open_database(path) as database:
            return KERNELS in database.columns
    except BadFileError:  # the reader of other databases says what is wrong
        return False


def read_dlprof_database(path: Path) -> Timeline:
    """Read the timeline.

    Raises:
        BadFileError: it is damaged, or holds no kernel.
    """
    with open_database(path) as database:
        names = database.strings("dictionary", "id", "string")
        start, stop, device, name, tensor = database.integers(
            KERNELS, [*_TIMES, "name_id", "uses_tc"]
        )
        if not len(start):
            raise BadFileError(path, "a database of DLProf without any kernel", _AGAIN)
        if not np.isin(tensor, (0, 1)).all():
            raise BadFileError(path, "uses_tc is neither 0 nor 1", _AGAIN, place=f"table {KERNELS}")
        tables = [table for table in _COPIES if table in database.columns]
        copies = [_copies(database, table) for table in tables]
        starts = np.concatenate([start, *(part[0] for part in copies)])
        stops = np.concatenate([stop, *(part[1] for part in copies)])
        _check(path, starts, stops)
        devices = np.concatenate([device, *(part[2] for part in copies)])
        kinds = np.arange(len(starts)) >= len(start)
        labels = [str(label) for label in named(name, names)]
        labels += [_COPIES[t] for t, part in zip(tables, copies, strict=True) for _ in part[0]]
        no_use = np.zeros(len(starts) - len(start), np.int64)  # copies use no Tensor Cores
        activities = ACTIVITIES.table(
            {
                "name": labels,
                "kind": categorical(kinds.astype(np.int64), ["kernel", "copy"]),
                "device": devices.astype(str),
                "stream": np.full(len(starts), -1, np.int64),  # the database has no streams
                "start (ns)": starts,
                "duration (ns)": stops - starts,
                TENSOR: categorical(np.concatenate([tensor, no_use]), _TENSOR),
            }
        )
        return Timeline(activities, _iterations(database))


def version_of(database: Database) -> str:
    """The version of DLProf, as the database says it; empty if it does not."""
    table = "read_only_system_config"
    if "dlprof_version" not in database.columns.get(table, ()):
        return ""
    rows = database.rows(f"select dlprof_version from {table}")  # noqa: S608
    return str(rows[0][0]).removeprefix("v") if rows else ""


def _copies(database: Database, table: str) -> list[Integers]:
    return database.integers(table, _TIMES)


def _check(path: Path, start: Integers, stop: Integers) -> None:
    """Refuse times that no activity has."""
    wrong = impossible(start, stop)
    if wrong.any():
        place = f"activity {int(wrong.argmax()) + 1}"
        raise BadFileError(path, "an activity has impossible times", _AGAIN, place=place)


def _iterations(database: Database) -> pd.DataFrame:
    """The iterations of the newest aggregation."""
    if not {"iteration_list", "iteration_aggregation_list"} <= set(database.columns):
        return NO_RANGES
    rows = database.rows(
        "select l.iter_value, l.start_time, l.stop_time from iteration_list l"
        " join iteration_aggregation_list a on a.aggr_id = l.aggr_id"
        " and a.iter_value = l.iter_value"
        " where l.aggr_id = (select max(aggr_id) from iteration_aggregation_list)"
    )
    table: Integers = np.array(rows, np.int64).reshape(-1, 3)
    number, start, stop = table.T
    _check(database.path, start, stop)
    return RANGES.table(
        {
            "name": [f"iteration {value}" for value in number],
            "start (ns)": start,
            "duration (ns)": stop - start,
            "process": [-1] * len(number),
            "thread": [-1] * len(number),
        }
    )
