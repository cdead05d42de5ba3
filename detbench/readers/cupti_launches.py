"""Which call launched which activity, from the tables of CUPTI's records.

Nsight Systems writes calls of CUDA's runtime and driver API into one table. A call that it did not
see has no row: one before the capture began, or in a process that it did not follow.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from detbench.readers.database import Database
from detbench.readers.timeline import joined

# In globalTid and globalPid the process is above the lowest 24 bits.
PROCESS_SHIFT = 24


def read_launches(database: Database, tables: list[str]) -> pd.DataFrame | None:
    """The launches of the activities in `tables`, whose rows are numbered through in this order.

    None if no calls were recorded, or if the file does not say which process made them: a
    correlation number is unique only within its process.
    """
    name = database.table("CUPTI_ACTIVITY_KIND_RUNTIME")
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
