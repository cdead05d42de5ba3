"""Adds up samples of processes (`nvidia-smi pmon`) to samples of GPUs.

A row of pmon is what one process did to a GPU. Processes take turns on it, so at each moment the
sum is what the GPU did; only with MPS do they run at once, and the sum may exceed 100 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

_IDLE = "-"  # the process id of a GPU without a process


def summed(
    samples: pd.DataFrame, processes: Sequence[tuple[str, ...]], quantities: list[str]
) -> pd.DataFrame:
    """One row per moment and GPU, with a note that says so.

    Args:
        samples: one row per process, in the order of the file.
        processes: the process of each row.
        quantities: the columns to add up.
    """
    times = samples["time (s)"].to_numpy()
    moments = _moments(zip(samples["gpu"], times, processes, strict=True))
    groups = samples.groupby([moments, "gpu"], sort=False)
    table = groups.first().reset_index("gpu").reset_index(drop=True)
    table[quantities] = groups[quantities].sum(min_count=1).to_numpy()
    table["not told"] = [
        "\n".join(line for line in lines.splitlines() if line.partition(": ")[0] in missing)
        for lines, missing in zip(table["not told"], _missing(table[quantities]), strict=True)
    ]
    notes = ["sums over the processes of each moment"]
    if np.isnan(times).any():
        notes.append("it has no times: a moment ends where a process comes again")
    shares = table[[name for name in quantities if "%" in name]]
    if over := int((shares > 100).any(axis=1).sum()):
        notes.append(f"above 100 % in {over} of {len(table)}: processes that ran at once (MPS)")
    return table.assign(note="; ".join(notes))[list(samples.columns)]


def _moments(rows: Iterable[tuple[str, float, tuple[str, ...]]]) -> npt.NDArray[np.int64]:
    """The number of each row's moment.

    In a moment the rows of a GPU are together, each process once, and an idle GPU has one row.
    """
    numbers: list[int] = []
    seen: dict[str, set[tuple[str, ...]]] = {}
    before: tuple[str, float] = ("", float("nan"))
    for gpu, time, process in rows:
        own = seen.get(gpu, set())
        is_new = process in own or (own and process[0] == _IDLE)
        is_new = is_new or any(known[0] == _IDLE for known in own) or (own and gpu != before[0])
        is_new = is_new or before[1] < time or before[1] > time
        if is_new:
            seen = {}
        numbers.append(numbers[-1] + bool(is_new) if numbers else 0)
        seen.setdefault(gpu, set()).add(process)
        before = (gpu, time)
    return np.array(numbers, np.int64)


def _missing(table: pd.DataFrame) -> Iterable[set[str]]:
    """For each row the columns without a value."""
    for row in table.isna().to_numpy():
        yield {name for name, is_missing in zip(table.columns, row, strict=True) if is_missing}
