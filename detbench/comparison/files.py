"""The files in the runs' folders beside their records: profiles and monitoring samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from detbench.comparison.conditions import Facts, workload
from detbench.comparison.parts import Profile, profile
from detbench.comparison.sides import Side
from detbench.errors import DetbenchError
from detbench.gpus import counters
from detbench.readers.monitoring import read_monitoring
from detbench.readers.ncu_csv import read_ncu_csv
from detbench.readers.timeline import Timeline
from detbench.readers.timeline_file import read_timeline
from detbench.records.spec import RunRecord
from detbench.records.store import Run
from detbench.telemetry.monitor import MONITORING
from detbench.utilization.core import CoreUtilization, core_utilization

_TIMELINES = ("nvprof", "torch")  # modes; the first one has less overhead
_SUFFIXES = (".sqlite", ".nvvp", ".trace.json.gz")


class Notes(list[str]):
    """Lines for the user about files that could not be used."""

    def of(self, path: Path, error: Exception) -> None:
        """Add a file and what is wrong with it."""
        text = str(error)
        self.append(text if str(path) in text else f"{path}: {text}")


def profiles(a: Side, b: Side, like: Facts, notes: Notes) -> tuple[Profile, Profile] | None:
    """The profiles of the newest runs of this work, one per side and of the same mode."""
    for mode in _TIMELINES:
        runs = [_newest(side.runs, like, mode) for side in (a, b)]
        if None in runs:
            continue
        found = [_profile(run, notes) for run in runs if run is not None]
        if found[0] is not None and found[1] is not None:
            return found[0], found[1]
    return None


def memory(a: Side, b: Side, like: Facts) -> tuple[dict[str, int], dict[str, int]] | None:
    """The memory recorded by the newest runs of this work: by category, or else only the peaks."""
    for mode in ("memory", "noprofile"):
        found = [
            run[1].memory for side in (a, b) if (run := _newest(side.runs, like, mode)) is not None
        ]
        if len(found) == 2 and found[0] and found[1]:
            return found[0], found[1]
    return None


def samples(runs: Iterable[Run], notes: Notes) -> dict[Path, pd.DataFrame]:
    """The monitoring samples of each run, by its folder."""
    found = {}
    for folder, _ in runs:
        file = folder / MONITORING
        if not file.is_file():
            continue
        try:
            found[folder] = read_monitoring(file)
        except DetbenchError as error:
            notes.of(file, error)
    return found


def core_utilizations(runs: Iterable[Run], notes: Notes) -> dict[Path, CoreUtilization]:
    """The core utilization of each run in nsight mode, by its folder."""
    found = {}
    for folder, record in runs:
        for file in _measurements(folder, record, "nsight", (".csv",)):
            try:
                found[folder] = core_utilization(read_ncu_csv(file, counters.ALL))
            except (DetbenchError, ValueError) as error:
                notes.of(file, error)
    return found


def _newest(runs: Sequence[Run], like: Facts, mode: str) -> Run | None:
    """The newest good run of the same work in this mode, whose window may differ."""
    wanted = {**like, "window": ""}
    good = [
        run
        for run in runs
        if run[1].spec.mode == mode
        and run[1].status == "ok"
        and {**workload(run[1]), "window": ""} == wanted
        and not run[1].spec.probe
    ]
    return max(good, key=lambda run: run[1].started, default=None)


def _profile(run: Run, notes: Notes) -> Profile | None:
    folder, record = run
    for file in _measurements(folder, record, record.spec.mode, _SUFFIXES):
        try:
            timeline = read_timeline(file)
        except DetbenchError as error:
            notes.of(file, error)
            continue
        if isinstance(timeline, Timeline):
            return profile(timeline, record.spec.window.count)
    return None


def _measurements(
    folder: Path, record: RunRecord, mode: str, suffixes: tuple[str, ...]
) -> list[Path]:
    """The files that a run's profiler wrote, if the run was in this mode."""
    if record.spec.mode != mode:
        return []
    size = f"_bs{record.spec.batch_size}."
    return [
        folder / measurement.path
        for measurement in record.measurements
        if measurement.path.endswith(suffixes) and size in measurement.path
    ]
