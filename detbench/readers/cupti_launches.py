"""Which call launched which activity, from the tables of CUPTI's records.

Nsight Systems writes calls of CUDA's runtime and driver API into one table. A call that it did not
see has no row: one before the capture began, or in a process that it did not follow.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from detbench.readers.database import Database
from detbench.readers.graph_launches import Launch, Numbers, is_among, launch_of, unrecorded
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


def count_launches(database: Database, names: dict[int, str]) -> int:
    """How many launches of kernels and graphs an export of Nsight Systems has."""
    launches = _launches(database, names)
    return 0 if launches is None else len(launches[1]) + len(launches[2])


def unrecorded_launches(
    database: Database, names: dict[int, str], activities: pd.DataFrame
) -> tuple[str, ...]:
    """The notes about launches that no activity names; empty ones if there are none.

    Args:
        database: an export of Nsight Systems.
        names: its strings.
        activities: process (-1: not told) and correlation of each.
    """
    found = _launches(database, names)
    if found is None:
        return ()
    calls, graphs, kernels = found
    if (activities["process"] < 0).any():  # then numbers alone have to do
        activities, calls = activities.assign(process=0), calls.assign(process=0)
    # Where recording ends, kernels are waiting: a launch counts if a later one has its kernel.
    has_kernel = np.zeros(len(calls), bool)
    has_kernel[kernels] = is_among(calls.iloc[kernels], activities)
    last = calls["correlation"].where(has_kernel).groupby(calls["process"]).transform("max")
    kernels = kernels[(calls["correlation"] < last).to_numpy()[kernels] | has_kernel[kernels]]
    return (
        unrecorded(activities, calls, graphs, "graph", "nsys profile --cuda-graph-trace=node"),
        unrecorded(activities, calls, kernels, "kernel", "record a shorter window"),
    )


def _launches(
    database: Database, names: dict[int, str]
) -> tuple[pd.DataFrame, Numbers, Numbers] | None:
    """Process and correlation of all calls, and which rows launch graphs, and which kernels.

    No kernels if some of them may have gone into a graph, and did not run.
    """
    numbers: dict[Launch, list[int]] = {"graph": [], "kernel": [], "capture": [], "": []}
    for number, text in names.items():
        numbers[launch_of(text)].append(number)
    table = database.table(_CALLS)
    needed = {"globalTid", "correlationId", "nameId"}
    if table is None or not needed <= database.columns[table]:
        return None
    if not numbers["graph"] and not numbers["kernel"]:
        return None
    thread, correlation, name = database.integers(table, ["globalTid", "correlationId", "nameId"])
    calls = pd.DataFrame({"process": thread >> PROCESS_SHIFT, "correlation": correlation})
    is_captured = bool(np.isin(name, numbers["capture"]).any())
    kernels = [] if is_captured else numbers["kernel"]
    graphs, launched = (np.flatnonzero(np.isin(name, n)) for n in (numbers["graph"], kernels))
    return calls, graphs, launched
