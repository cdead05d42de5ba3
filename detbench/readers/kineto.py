"""Timelines from traces of the PyTorch profiler (Kineto).

Times are in microseconds in all versions, no matter what `displayTimeUnit` says.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.graph_launches import Launch, launch_of, told_without_kernels, unrecorded
from detbench.readers.kineto_callers import CPU_PLACE, Events, Owner, Place
from detbench.readers.kineto_events import AGAIN, Event, each_block
from detbench.readers.kineto_fields import (
    LIMIT,
    NONE,
    Key,
    code_of,
    correlation_of,
    estimates_of,
    integer,
    owner_key,
    place_key,
)
from detbench.readers.kineto_merged import TRACE_END, sort_out
from detbench.readers.numbers import LONGEST
from detbench.readers.schema import categorical
from detbench.readers.streams import UNKNOWN, codes_of, in_turn
from detbench.readers.timeline import (
    ACTIVITIES,
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
_RECORD_GRAPHS = "record with a newer PyTorch and CUDA, or without graphs"
_RECORD_KERNELS = "record fewer iterations, and nothing else that profiles the GPU meanwhile"
_ON_THE_CPU = ("cpu",)
Numbers = npt.NDArray[np.int64]


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
        self._places: dict[Key, int] = {_ON_THE_CPU: 0}
        self._owners: dict[Key, int] = {}
        self._part = 0  # of a file that holds several traces
        self._activities = [array("q") for _ in range(6)]
        self._estimates = [array("f"), array("f")]
        self._correlations = array("q")
        self._calls = [array("q") for _ in range(4)]
        self._launched: defaultdict[Launch, array[int]] = defaultdict(lambda: array("q"))
        self._note = ""
        self._range_names: list[str] = []
        self._range_times = [array("q") for _ in range(4)]

    def add(self, events: list[Event]) -> None:
        """Add the activities, ranges and calls among `events`; the hot loop of the reader."""
        names, places, kinds = self._names, self._places, self._kinds
        name_codes, kind_codes, place_codes, streams, starts, durations = self._activities
        blocks_per_sm, occupancies = self._estimates
        for index, event in enumerate(events, self._count):
            category, name = event.cat, event.name
            if event.ph != "X" or type(category) is not str or type(name) is not str:
                self._refuse_damaged(event, index)
                if name == TRACE_END:
                    self._part += 1
                continue
            # The GPU's copy of a range (gpu_user_annotation) is skipped: it would count twice.
            if category in _ON_CPU and (
                category == "user_annotation" or name.startswith(PROFILER_STEP)
            ):
                start, duration = self._times(event, index)
                self._range_names.append(name)
                self._range_times[0].append(start)
                self._range_times[1].append(duration)
                self._range_times[2].append(integer(event.tid))
                self._range_times[3].append(self._owner(event))
            elif (kind := _KINDS.get(category)) is not None:
                start, duration = self._times(event, index)
                if kind == "operator":
                    place, stream = 0, integer(event.tid)
                else:
                    key, stream = place_key(event)
                    place = code_of(places, key, self._part)
                name_codes.append(names.setdefault(name, len(names)))
                kind_codes.append(kinds[kind])
                place_codes.append(place)
                streams.append(stream)
                starts.append(start)
                durations.append(duration)
                blocks, occupancy = estimates_of(event) if kind == "kernel" else (NONE, NONE)
                blocks_per_sm.append(blocks)
                occupancies.append(occupancy)
                self._correlations.append(correlation_of(event))
            elif category in _CALLS:
                if what := launch_of(name):
                    self._launched[what].append(len(self._calls[0]))
                self._calls[0].append(correlation_of(event))
                self._calls[1].append(self._owner(event))
                if self._launches:
                    self._calls[2].append(self._times(event, index)[0])
                    self._calls[3].append(integer(event.tid))
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
            if not 0 <= duration < LONGEST or not -LIMIT < start < LIMIT:
                raise ValueError("out of range")
        except (TypeError, ValueError, ArithmeticError) as error:
            raise BadFileError(
                self._path,
                f"'{event.name}' has no usable time: {error}",
                AGAIN,
                place=f"event {index}",
            ) from error
        return start, duration

    def _owner(self, event: Event) -> int:
        return code_of(self._owners, owner_key(event), self._part)

    def timeline(self) -> Timeline:
        """The collected events as tables."""
        name, kind, place, stream, start, duration = map(_column, self._activities)
        correlation = _column(self._correlations)
        starts, durations, threads, range_owners = map(_column, self._range_times)
        call_correlations, call_owners, *call_places = map(_column, self._calls)
        merged = sort_out(
            Events(
                [CPU_PLACE, *(_place(key) for key in [*self._places][1:])], place, correlation,
                [Owner(*key) for key in self._owners],
                call_owners, call_correlations, range_owners,
            )
        )  # fmt: skip
        devices, device = merged.devices
        activities: dict[str, Any] = {
            "name": categorical(name, self._names),
            "kind": categorical(kind, self._kinds),
            "device": categorical(device, devices),
            "stream": stream,
            "start (ns)": start,
            "duration (ns)": duration,
        }
        estimates = (np.array(column, np.float32) for column in self._estimates)
        activities |= {c.name: v for c, v in zip(ESTIMATES.columns, estimates, strict=True)}
        ranges: dict[str, Any] = {
            "name": self._range_names,
            "start (ns)": starts,
            "duration (ns)": durations,
            "process": merged.ranges,
            "thread": threads,
        }
        launched = pd.DataFrame({"process": merged.activities, "correlation": correlation})
        calls = pd.DataFrame({"process": merged.calls, "correlation": call_correlations})
        on_gpu = launched[kind != self._kinds["operator"]]
        has_kernels = bool((kind == self._kinds["kernel"]).any())
        graphs, kernels, captures = (
            _column(self._launched[what]) for what in ("graph", "kernel", "capture")
        )
        note, notes = self._note, [merged.note]
        if not has_kernels and len(graphs) + len(kernels):
            note = note or told_without_kernels(len(graphs) + len(kernels))
        elif has_kernels:
            notes.append(unrecorded(on_gpu, calls, graphs, "graph", _RECORD_GRAPHS))
            # What is captured into a graph does not run; whose kernel is whose has to be told.
            if merged.is_told and not len(captures):
                notes.append(unrecorded(on_gpu, calls, kernels, "kernel", _RECORD_KERNELS))
        timeline = Timeline(
            ACTIVITIES.table(activities),
            RANGES.table(ranges),
            self._joined(launched, calls, *call_places) if self._launches else None,
            note,
            tuple(filter(None, notes)),
            merged.owners_of_devices(),
            merged.is_merged,
        )
        if not merged.is_told:
            return timeline  # two processes' streams of one number are no one stream
        queue = np.where(stream < 0, UNKNOWN, codes_of(place, stream))
        return in_turn(timeline, queue, correlation)

    def _joined(
        self, launched: pd.DataFrame, calls: pd.DataFrame, start: Numbers, thread: Numbers
    ) -> pd.DataFrame | None:
        calls = calls.assign(**{"start (ns)": start, "thread": thread})
        # -1 means no correlation: operators, and activities of a profiler that did not write it.
        is_known = (calls["correlation"] >= 0) & (calls["process"] >= 0)
        return joined(launched[launched["correlation"] >= 0], calls[is_known])


def _place(key: Key) -> Place:
    device, context, *owner = key
    return Place(device, context, Owner(*owner))


def _column(values: array[int]) -> Numbers:
    return np.frombuffer(values, np.int64) if values else np.empty(0, np.int64)
