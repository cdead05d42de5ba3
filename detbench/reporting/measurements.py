"""The measurements of runs, each file read once into the tables that the sections need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Final, Generic, TypeVar

import pandas as pd

from detbench.errors import BadFileError, DetbenchError
from detbench.gpus import counters
from detbench.readers.counters_file import Levels, read_counters
from detbench.readers.memory_file import read_memory
from detbench.readers.monitoring import read_monitoring
from detbench.readers.timeline import CPU, KernelSums
from detbench.readers.timeline_file import read_timeline
from detbench.readers.training_log import TrainingLog, read_training_log
from detbench.records.spec import RunRecord
from detbench.records.store import Run
from detbench.utilization import compute, core, memory
from detbench.utilization.roofline import has_roofline
from detbench.utilization.window import devices, why_none

T = TypeVar("T")

MOST_MONITORED: Final = 40
"""Most runs whose samples are read: those of a whole night would take longer than all the rest."""

_TIMELINES: Final = {
    "torch": ("torch_bs*.json.gz",),
    "nvprof": ("nsys_bs*.sqlite", "nvprof_bs*.nvvp"),
    "dlprof": ("dlprof_bs*/*iteration*.csv",),
}


@dataclass(frozen=True)
class Reading(Generic[T]):
    """The content of one measurement of a run."""

    folder: Path
    record: RunRecord
    file: Path
    value: T


@dataclass(frozen=True)
class Readings(Generic[T]):
    """The readable measurements of one kind, oldest run first, and one line per unreadable one."""

    read: Sequence[Reading[T]]
    problems: Sequence[str]

    @property
    def records(self) -> list[RunRecord]:
        """The records of the runs that were read."""
        return [reading.record for reading in self.read]


@dataclass(frozen=True)
class TimelineTables:
    """Tables of a timeline: `compute.by_device`, `by_name` for classes, and `by_gap`.

    Attributes:
        notes: what a reader of them has to know.
    """

    devices: pd.DataFrame
    classes: pd.DataFrame
    gaps: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def on_gpu(self) -> bool:
        """Whether it has GPU kernels, not only CPU operators."""
        return CPU not in set(self.devices["device"])


@dataclass(frozen=True)
class Counted:
    """Core utilization, and the launches if their operations and memory traffic were counted."""

    cores: core.CoreUtilization
    for_roofline: pd.DataFrame | None


@dataclass(frozen=True)
class MemoryTables:
    """Memory tables: `memory.by` category at the peak, and `memory.by` phase."""

    categories: pd.DataFrame
    phases: pd.DataFrame


class Runs:
    """Runs and their measurements. A file is read when a section first needs it.

    Args:
        items: folders and records, oldest first.
        say: called with the name of each file before it is read.
    """

    def __init__(self, items: Sequence[Run], say: Callable[[str], None] = lambda _: None) -> None:
        self.items = tuple(items)
        self._say = say

    @property
    def records(self) -> list[RunRecord]:
        """The records of all runs."""
        return [record for _, record in self.items]

    @cached_property
    def timelines(self) -> Readings[TimelineTables]:
        """The timelines of modes torch, nvprof and dlprof."""
        return self._read(_TIMELINES, _timeline)

    @cached_property
    def counters(self) -> Readings[Counted]:
        """The counters of mode nsight."""
        return self._read({"nsight": ("nsight_bs*.csv", "nsight_bs*.ncu-rep")}, _counters)

    @cached_property
    def memory(self) -> Readings[MemoryTables]:
        """The memory tables of mode memory."""
        return self._read({"memory": ("memory_csv_data/memory_bs*.csv",)}, _memory)

    @cached_property
    def monitoring(self) -> Readings[pd.DataFrame]:
        """The samples of the newest `MOST_MONITORED` runs, including failed ones."""
        newest = self.items[-MOST_MONITORED:]
        return self._read({"": ("monitoring.csv",)}, read_monitoring, of=newest, only_ok=False)

    @cached_property
    def logs(self) -> Readings[TrainingLog]:
        """The logs of trainings with evaluations, or else of those in mode noprofile."""
        trained = [
            run
            for run in self.items
            if run.record.spec.train and (run.record.spec.evaluate or run.record.evaluations)
        ]
        if not trained:
            trained = [
                run
                for run in self.items
                if run.record.spec.train
                and run.record.spec.mode == "noprofile"
                and run.record.status == "ok"
            ]
        return self._read({"": ("metrics.json",)}, read_training_log, of=trained, only_ok=False)

    def _read(
        self,
        names: Mapping[str, tuple[str, ...]],
        read: Callable[[Path], T],
        *,
        of: Sequence[Run] | None = None,
        only_ok: bool = True,
    ) -> Readings[T]:
        found: list[Reading[T]] = []
        problems = []
        for folder, record in self.items if of is None else of:
            if only_ok and record.status != "ok":
                continue
            for file in _files(folder, record, names.get("", names.get(record.spec.mode, ()))):
                self._say(str(file))
                try:
                    found.append(Reading(folder, record, file, read(file)))
                except DetbenchError as error:
                    problems.append(str(error))
                except ValueError as error:  # raised by a formula
                    problems.append(f"{file}: {error}")
        return Readings(found, problems)


def _files(folder: Path, record: RunRecord, patterns: tuple[str, ...]) -> Iterator[Path]:
    for measurement in record.measurements:
        if any(fnmatch(measurement.path, pattern) for pattern in patterns):
            yield folder / measurement.path


def _timeline(file: Path) -> TimelineTables:
    timeline = read_timeline(file)
    if isinstance(timeline, KernelSums):
        raise BadFileError(file, "a summary has no utilization", "record a timeline")
    found = devices(timeline)
    if not found:
        raise BadFileError(file, *why_none(timeline))
    return TimelineTables(
        compute.by_device(timeline, found),
        compute.by_name(timeline, found, "class"),
        compute.by_gap(timeline, found),
        timeline.notes,
    )


def _counters(file: Path) -> Counted:
    found = read_counters(file, (*counters.ALL, *counters.ROOFLINE))
    if isinstance(found, Levels):
        raise BadFileError(
            file, "has levels from 0 to 10, not percentages", "collect them: profile.sh nsight"
        )
    launches = found.table
    return Counted(core.core_utilization(launches), launches if has_roofline(launches) else None)


def _memory(file: Path) -> MemoryTables:
    parts = read_memory(file)
    return MemoryTables(memory.by(parts, "category"), memory.by(parts, "phase"))
