"""Which call launched which activity, from the tables of CUPTI's records.

Nsight Systems writes calls of CUDA's runtime and driver API into one table. A call that it did not
see has no row: one before the capture began, or in a process that it did not follow.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from detbench.readers.database import Database
from detbench.readers.graph_launches import GRAPH_LAUNCH, unrecorded
from detbench.readers.timeline import joined

# In globalTid and globalPid the process is above the lowest 24 bits.
PROCESS_SHIFT = 24
_CALLS = "CUPTI_ACTIVITY_KIND_RUNTIME"


def read_launches(database: Database, tables: list[str]) -> pd.DataFrame | None:
    """The launches of the activities in `tables`, whose rows are numbered through in this order.

    None if no calls were recorded, or if the file does not say which process made them: a
    correlation number is unique only within its process.
    """
    name = database.table(_CALLS)
    if name is None or not {"globalTid", "correlationId"} <= database.columns[name]:
        return None
    start, thread, correlation = database.integers(name, ["start", "globalTid", "correlationId"])
    process = thread >> PROCESS_SHIFT
    if any("globalPid" not in database.columns[table] for table in tables):
        if len(np.unique(process)) > 1:
            return None
        alone = int(process[0]) if len(process) else 0
    parts = []
    for table in tables:
        columns = ["correlationId"]
        if known := "globalPid" in database.columns[table]:
            columns.append("globalPid")
        numbers, *pids = database.integers(table, columns)
        owner = pids[0] >> PROCESS_SHIFT if known else np.full_like(numbers, alone)
        parts.append(pd.DataFrame({"process": owner, "correlation": numbers}))
    calls = pd.DataFrame(
        {"process": process, "correlation": correlation, "start (ns)": start, "thread": thread}
    )
    return joined(pd.concat(parts, ignore_index=True), calls)


def unrecorded_graphs(database: Database, names: dict[int, str], activities: pd.DataFrame) -> str:
    """The note about launches of graphs that no activity names; empty if there are none.

    Args:
        database: an export of Nsight Systems.
        names: its strings.
        activities: process (-1: not told) and correlation of each.
    """
    graph_names = [number for number, text in names.items() if GRAPH_LAUNCH.fullmatch(text)]
    table = database.table(_CALLS)
    needed = {"globalTid", "correlationId", "nameId"}
    if not graph_names or table is None or not needed <= database.columns[table]:
        return ""
    thread, correlation, name = database.integers(table, ["globalTid", "correlationId", "nameId"])
    process = thread >> PROCESS_SHIFT
    if (activities["process"] < 0).any():  # then numbers alone have to do
        activities, process = activities.assign(process=0), np.zeros_like(process)
    calls = pd.DataFrame({"process": process, "correlation": correlation})
    rows = np.flatnonzero(np.isin(name, graph_names))
    return unrecorded(activities, calls, rows, "nsys profile --cuda-graph-trace=node")
