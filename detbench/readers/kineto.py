"""Timelines from traces of the PyTorch profiler (Kineto).

Times are in microseconds in all versions, no matter what `displayTimeUnit` says.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.kineto_events import AGAIN, Arguments, Event, each_block
from detbench.readers.numbers import LONGEST
from detbench.readers.schema import categorical
from detbench.readers.timeline import (
    ACTIVITIES,
    CPU,
    ESTIMATES,
    PROFILER_STEP,
    RANGES,
    Timeline,
    joined,
)

# Category -> kind; the capitalised ones are PyTorch 1.8's and 1.9's.
_KINDS = {
    "kernel": "kernel", "Kernel": "kernel",
    "gpu_memcpy": "copy", "Memcpy": "copy", "gpu_memset": "copy", "Memset": "copy",
    "cpu_op": "operator", "Operator": "operator",
}  # fmt: skip
# Categories in traces that have no kernels although they were not recorded on a CPU alone.
_INSTEAD = {
    "mtia_ccp_events": "it was recorded on an MTIA, which runs no kernels",
    "cuda_profiler_range": "it holds counters of CUPTI's range profiler instead",
}
# Calls that launch kernels, on GPUs of any make.
_CALLS = frozenset({"cuda_runtime", "cuda_driver", "Runtime", "xpu_runtime"})
_ON_CPU = frozenset({"user_annotation", "cpu_op", "Operator"})
_NONE = float("nan")
_LIMIT = 1 << 62  # in ns; no time since an epoch is larger


def read_kineto(path: Path, *, launches: bool = False) -> Timeline:
    """Read a trace, with `launches` also which call launched each activity.

    Raises:
        BadFileError: it is unreadable, truncated, or not such a trace.
    """
    rows = _Rows(path, launches)

    def begin() -> Callable[[list[Event]], None]:
        nonlocal rows
        rows = _Rows(path, launches)
        return rows.add

    each_block(path, begin)
    return rows.timeline()


class _Rows:
    """Collects activities, ranges and calls in columns, with names and devices as numbers."""

    def __init__(self, path: Path, launches: bool) -> None:
        self._path = path
        self._launches = launches
        self._count = 0
        self._kinds = {"kernel": 0, "copy": 1, "operator": 2}
        self._names: dict[str, int] = {}
        self._devices: dict[str, int] = {}
        self._activities = [array("q") for _ in range(6)]
        self._estimates = [array("f"), array("f")]
        self._correlations = array("q")
        self._calls = [array("q") for _ in range(3)]
        self._note = ""
        self._range_names: list[str] = []
        self._range_times = [array("q") for _ in range(3)]

    def add(self, events: list[Event]) -> None:
        """Add the activities, ranges and calls among `events`; the hot loop of the reader."""
        names, devices, kinds = self._names, self._devices, self._kinds
        name_codes, kind_codes, device_codes, streams, starts, durations = self._activities
        blocks_per_sm, occupancies = self._estimates
        for index, event in enumerate(events, self._count):
            category, name = event.cat, event.name
            if event.ph != "X" or type(category) is not str or type(name) is not str:
                self._refuse_damaged(event, index)
                continue
            # The GPU's copy of a range (gpu_user_annotation) is skipped: it would count twice.
            if category in _ON_CPU and (
                category == "user_annotation" or name.startswith(PROFILER_STEP)
            ):
                start, duration = self._times(event, index)
                self._range_names.append(name)
                self._range_times[0].append(start)
                self._range_times[1].append(duration)
                self._range_times[2].append(_integer(event.tid))
            elif (kind := _KINDS.get(category)) is not None:
                start, duration = self._times(event, index)
                device, stream = _place(event, kind)
                name_codes.append(names.setdefault(name, len(names)))
                kind_codes.append(kinds[kind])
                device_codes.append(devices.setdefault(device, len(devices)))
                streams.append(stream)
                starts.append(start)
                durations.append(duration)
                blocks, occupancy = _estimates(event) if kind == "kernel" else (_NONE, _NONE)
                blocks_per_sm.append(blocks)
                occupancies.append(occupancy)
                if self._launches:
                    self._correlations.append(_correlation(event))
            elif category in _CALLS:
                if self._launches:
                    self._calls[0].append(_correlation(event))
                    self._calls[1].append(self._times(event, index)[0])
                    self._calls[2].append(_integer(event.tid))
            elif category in _INSTEAD:
                self._note = _INSTEAD[category]
        self._count += len(events)

    def _refuse_damaged(self, event: Event, index: int) -> None:
        """Refuse an event without a field that Kineto always writes: it may be a kernel."""
        lacking = "ph" if event.ph is None else "cat" if event.cat is None else ""
        if lacking and (lacking == "ph" or event.ph == "X"):
            raise BadFileError(self._path, f"it has no '{lacking}'", AGAIN, place=f"event {index}")

    def _times(self, event: Event, index: int) -> tuple[int, int]:
        """Start and duration in ns."""
        try:
            start, duration = event.ts * 1000, event.dur * 1000
            if type(start) is not int or type(duration) is not int:
                start, duration = round(start), round(duration)
            if not 0 <= duration < LONGEST or not -_LIMIT < start < _LIMIT:
                raise ValueError("out of range")
        except (TypeError, ValueError, ArithmeticError) as error:
            raise BadFileError(
                self._path,
                f"'{event.name}' has no usable time: {error}",
                AGAIN,
                place=f"event {index}",
            ) from error
        return start, duration

    def timeline(self) -> Timeline:
        """The collected events as tables."""
        name, kind, device, stream, start, duration = (
            np.frombuffer(column, np.int64) if column else np.empty(0, np.int64)
            for column in self._activities
        )
        activities: dict[str, Any] = {
            "name": categorical(name, self._names),
            "kind": categorical(kind, self._kinds),
            "device": categorical(device, self._devices),
            "stream": stream,
            "start (ns)": start,
            "duration (ns)": duration,
        }
        estimates = (np.array(column, np.float32) for column in self._estimates)
        activities |= {c.name: v for c, v in zip(ESTIMATES.columns, estimates, strict=True)}
        starts, durations, threads = self._range_times
        ranges: dict[str, Any] = {
            "name": self._range_names,
            "start (ns)": np.array(starts, np.int64),
            "duration (ns)": np.array(durations, np.int64),
            "process": np.zeros(len(starts), np.int64),  # a trace is of one process
            "thread": np.array(threads, np.int64),
        }
        return Timeline(
            ACTIVITIES.table(activities), RANGES.table(ranges), self._joined(), self._note
        )

    def _joined(self) -> pd.DataFrame | None:
        if not self._launches:
            return None
        correlation, start, thread = (np.array(column, np.int64) for column in self._calls)
        calls = pd.DataFrame(
            {"process": 0, "correlation": correlation, "start (ns)": start, "thread": thread}
        )
        own = np.array(self._correlations, np.int64)
        launched = pd.DataFrame({"process": 0, "correlation": own})
        # -1 means no correlation: operators, and activities of a profiler that did not write it.
        return joined(launched[own >= 0], calls[correlation >= 0])


def _place(event: Event, kind: str) -> tuple[str, int]:
    """Device and stream of a GPU activity, or the CPU and thread of an operator."""
    if kind == "operator":
        thread = event.tid
        return CPU, thread if type(thread) is int and -_LIMIT < thread < _LIMIT else _integer(
            thread
        )
    arguments = event.args if isinstance(event.args, Arguments) else Arguments()
    device = event.pid if arguments.device is None else arguments.device
    return str(device), _integer(event.tid if arguments.stream is None else arguments.stream)


def _estimates(event: Event) -> tuple[float, float]:
    """Blocks per multiprocessor and occupancy; NaN for an impossible or missing value."""
    arguments = event.args
    if not isinstance(arguments, Arguments):
        return _NONE, _NONE
    blocks, occupancy = arguments.blocks_per_sm, arguments.occupancy
    return (
        blocks if isinstance(blocks, float) and 0 < blocks < _LIMIT else _NONE,
        occupancy if isinstance(occupancy, float) and 0 <= occupancy <= 100 else _NONE,
    )


def _correlation(event: Event) -> int:
    arguments = event.args
    if not isinstance(arguments, Arguments) or arguments.correlation is None:
        return -1
    return _integer(arguments.correlation)


def _integer(value: Any) -> int:
    """A stream or thread written as a number, as a string, or as `stream 7`; else -1."""
    try:
        number = int(str(value).split()[-1])
    except (ValueError, IndexError):
        return -1
    return number if -_LIMIT < number < _LIMIT else -1
