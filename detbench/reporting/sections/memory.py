"""What memory was used for: at the peak of each run, and phase by phase."""

from __future__ import annotations

import pandas as pd

from detbench.gpus.profiles import find
from detbench.records.spec import RunRecord
from detbench.reporting.charts.memory import Capacity, peak_stacks, phase_stacks
from detbench.reporting.charts.parts import MOST_ROWS, newest
from detbench.reporting.labels import labels, several, windows
from detbench.reporting.measurements import MemoryTables, Reading, Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section

_TITLE = "Memory"
_MIB = 1 << 20
_MOST_PHASED = 12  # most runs whose phases are drawn
_DENOMINATOR = "MiB are 2^20 bytes; the categories of a snapshot add up to what the device shows"


def memory(runs: Runs) -> Section | LeftOut:
    """One stacked bar per run, at its peak, against the capacity; a folded chart of its phases."""
    found = runs.memory
    if not found.read:
        return LeftOut(_TITLE, "no run in mode memory succeeded", found.problems)
    names = labels(found.records)
    shown = list(zip(names, found.read, strict=True))
    phased = [_phases(name, reading) for name, reading in shown[-_MOST_PHASED:]]
    return Section(_TITLE, [_peaks(shown), *phased], problems=found.problems)


def _peaks(shown: list[tuple[str, Reading[MemoryTables]]]) -> Exhibit:
    rows = [
        {
            "run": name,
            "category": row["category"],
            "memory (MiB)": row["memory (MiB)"],
            "capacity (MiB)": _capacity(reading.record)[0],
            "capacity is": _capacity(reading.record)[1],
        }
        for name, reading in shown
        for _, row in reading.value.categories.iterrows()
    ]
    table = pd.DataFrame(rows).astype({"capacity (MiB)": "float64"})
    capacities = [_capacity(reading.record) for _, reading in shown[-MOST_ROWS:]]
    unknown = sum(size is None for size, _ in capacities)
    return Exhibit(
        "At the peak, by category, against the capacity",
        table,
        Basis(windows([r.record for _, r in shown]), _DENOMINATOR, several(len(shown), "run")),
        sources=[reading.file for _, reading in shown],
        chart=peak_stacks(table, capacities),
        notes=[
            *([f"The capacity of {several(unknown, 'run')} is unknown."] if unknown else []),
            *newest(len(shown)),
        ],
    )


def _phases(name: str, reading: Reading[MemoryTables]) -> Exhibit:
    table = reading.value.phases
    return Exhibit(
        f"Phase by phase: {name}",
        table,
        Basis(windows([reading.record]), _DENOMINATOR, several(len(table), "snapshot")),
        sources=[reading.file],
        chart=phase_stacks(table, _capacity(reading.record)),
        folded=True,
    )


def _capacity(record: RunRecord) -> Capacity:
    """The memory that the run could use, in MiB, and the source of that number."""
    environment = record.environment
    limits = environment.get("limits") or {}
    if record.spec.device == "cuda":
        if size := environment.get("gpu_memory_bytes"):
            return size / _MIB, f"the size of {record.spec.gpu_profile} according to CUDA"
        if profile := find(record.spec.gpu_profile):
            return profile.memory_bytes / _MIB, f"{profile.name} in the catalogue"
    elif size := limits.get("memory"):
        return size / _MIB, "the run's memory limit"
    return None, "unknown"
