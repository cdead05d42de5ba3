"""The ranges that a program marked by NVTX, from an export of Nsight Systems."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.cupti_launches import PROCESS_SHIFT
from detbench.readers.database import Database
from detbench.readers.numbers import impossible
from detbench.readers.timeline import RANGES

# NVTX_EVENTS.eventType: push and pop, start and end; and the same of NVTXT.
_RANGE_EVENTS = "59, 60, 70, 71"


def read_ranges(database: Database, names: dict[int, str]) -> pd.DataFrame:
    """NVTX ranges that have an end; their text is in the row or in the table of strings."""
    table = database.table("NVTX_EVENTS")
    rows: list[tuple[object, ...]] = []
    if table is not None:
        text_id = "textId" if "textId" in database.columns[table] else "null"
        thread = "coalesce(globalTid, -1)" if "globalTid" in database.columns[table] else "-1"
        rows = database.rows(
            f'select text, {text_id}, start, "end", {thread} from {table} '  # noqa: S608
            f'where eventType in ({_RANGE_EVENTS}) and "end" is not null'
        )
    if any(text is None and (text_id == "null" or (i and i not in names)) for text, i, *_ in rows):
        raise BadFileError(
            database.path, "a range's name is missing", "export it again", place=f"table {table}"
        )
    texts = [
        str(text) if text is not None else names.get(int(str(i or 0)), "") for text, i, *_ in rows
    ]
    numbers: npt.NDArray[np.int64] = np.array([row[2:] for row in rows], np.int64).reshape(-1, 3)
    start, end, threads = numbers.T
    wrong = impossible(start, end)
    if wrong.any():
        raise BadFileError(
            database.path,
            f"the range '{texts[int(wrong.argmax())]}' has impossible times",
            "export it again",
            place=f"table {table}",
        )
    return RANGES.table(
        {
            "name": texts,
            "start (ns)": start,
            "duration (ns)": end - start,
            "process": threads >> PROCESS_SHIFT,
            "thread": threads,
        }
    )
