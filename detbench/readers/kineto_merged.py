"""Traces of several processes in one file: the process of each event, and the names of devices.

Every process numbers its GPUs from 0, so that a file put together from several (ranks of a
training, chrome traces in one list) has one number for different GPUs. They are told apart by what
merging leaves: `args.rank`, a GPU's `pid` that is no longer its number, the profiler's mark at a
trace's end, or processes whose calls have correlation numbers of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from detbench.readers.kineto_callers import (
    CPU_PLACE,
    NOBODY,
    Events,
    Numbers,
    Owner,
    Place,
    callers_of,
    code_of,
    distinct,
    is_shared,
    on_gpu,
)
from detbench.readers.timeline import CPU

TRACE_END = "Record Window End"
"""The name of the mark with which Kineto ends a trace."""

_APART = (
    "several processes are in it that call their GPUs by one number: each has its own iterations,"
    " and without any all have the same window, from the first kernel to the last"
)
_UNTOLD = (
    "calls of {number} processes are in it, and nothing tells whose each kernel is: GPUs that they"
    " call by one number are one device here, busy when any of them is; pass their traces one by"
    " one, or merge them with args.rank"
)


class Merged(NamedTuple):
    """The devices and the processes of a file.

    Attributes:
        devices: the names of the devices, and for each activity the place of its own in them.
        activities, calls, ranges: the process of each; all 0 where there is one.
        is_merged: whether there are several.
        is_told: whether it is told which process each activity is of.
        note: what a reader has to know; empty if there is one process.
    """

    devices: tuple[list[str], Numbers]
    activities: Numbers
    calls: Numbers
    ranges: Numbers
    is_merged: bool = False
    is_told: bool = True
    note: str = ""

    def owners_of_devices(self) -> dict[str, frozenset[int]]:
        """By device, the processes that used it, where there are several."""
        names, device = self.devices
        if not self.is_merged:
            return {}
        return {
            name: frozenset(np.unique(self.activities[device == code]).tolist())
            for code, name in enumerate(names)
            if name != CPU
        }


def sort_out(events: Events) -> Merged:
    """Tell the processes of a file apart, as far as it says them."""
    gpus = [place for place in events.places if place is not CPU_PLACE]
    pids = distinct(events.owners[code].pid for code in np.unique(events.call_owner))
    ranks = distinct(place.owner.rank for place in gpus)
    if len(ranks) > 1 and None not in ranks:
        return _by_place(events, "rank {}", _ranks(events.owners), [p.owner.rank for p in gpus])
    if (parts := _parts(events, gpus)) is not None:
        return _by_place(events, "process {}", parts, [parts[p.owner] for p in gpus])
    known = {owner: owner.pid for owner in events.owners}
    callers = callers_of(events, pids)
    if len({(p.number, str(p.owner.pid)) for p in gpus}) > len({p.number for p in gpus}):
        names = _names_of_gpus(events, gpus, pids, callers)
        return _by_place(events, "process {}", known, [names[p.owner.pid] for p in gpus])
    if len(pids) < 2 or not gpus:
        return _one(events)
    if (callers[on_gpu(events)] != NOBODY).all():
        return _merged(events, "process {}", known, pids, callers)
    alone = _one(events)._replace(calls=np.where(is_shared(events), NOBODY, 0))
    if len({place.number for place in gpus}) < len(pids):
        return alone._replace(is_told=False, note=_UNTOLD.format(number=len(pids)))
    return alone


def _one(events: Events) -> Merged:
    """The result for the trace of one process."""
    labels = [CPU if place is CPU_PLACE else place.number for place in events.places]
    names = distinct(labels)
    code = np.array([names.index(label) for label in labels], np.int64)
    activities, calls, ranges = map(
        np.zeros_like, (events.place, events.call_owner, events.range_owner)
    )
    return Merged((names, code[events.place]), activities, calls, ranges)


def _by_place(events: Events, name: str, known: dict[Owner, Any], of_gpus: Sequence[Any]) -> Merged:
    """Where every place on a GPU names its process: `of_gpus`, in their order."""
    processes = distinct(process for process in of_gpus if process is not None)
    of_gpu = iter(of_gpus)
    code = [
        code_of(processes, None if place is CPU_PLACE else next(of_gpu)) for place in events.places
    ]
    return _merged(events, name, known, processes, np.array(code, np.int64)[events.place])


def _merged(
    events: Events,
    name: str,
    known: dict[Owner, Any],
    processes: Sequence[Any],
    activities: Numbers,
) -> Merged:
    """The result, where `activities` has each activity's process by its place in `processes`."""
    processes = distinct([*processes, *(p for p in known.values() if p is not None)])
    of_owner = np.array([code_of(processes, known[owner]) for owner in events.owners], np.int64)
    width = len(events.places)
    pairs, device = np.unique((activities + 1) * width + events.place, return_inverse=True)
    found = [(int(pair) // width - 1, events.places[int(pair) % width]) for pair in pairs]
    numbers = {(place.number, process) for process, place in found if place is not CPU_PLACE}
    shares = len(numbers) > len({number for number, _ in numbers})
    labels = []
    for process, place in found:
        told = name.format(processes[process]) if process >= 0 else "unknown process"
        apart = f"{told}, GPU {place.number}" if shares else place.number
        labels.append(CPU if place is CPU_PLACE else apart)
    names = distinct(labels)
    position = np.array([names.index(label) for label in labels], np.int64)
    return Merged(
        (names, position[device.reshape(-1)]),
        activities,
        of_owner[events.call_owner],
        of_owner[events.range_owner],
        is_merged=True,
        note=_APART if shares else "",
    )


def _names_of_gpus(
    events: Events, gpus: Sequence[Place], pids: Sequence[Any], callers: Numbers
) -> dict[Any, Any]:
    """The process of each GPU's pid, where a merging tool gave GPUs pids of their own.

    Correlation numbers tell it, where the tool changed them too; else the pid stands for it.
    """
    names = {}
    for pid in distinct(place.owner.pid for place in gpus):
        mine = [code for code, place in enumerate(events.places) if place.owner.pid == pid]
        found = np.unique(callers[np.isin(events.place, mine)])
        found = found[found != NOBODY]
        names[pid] = pids[int(found[0])] if len(found) == 1 else pid
    # Two GPUs of one process that have different pids are not told apart by it.
    return names if len(set(names.values())) == len(names) else {pid: pid for pid in names}


def _ranks(owners: Iterable[Owner]) -> dict[Owner, Any]:
    """The rank of each owner; one without a rank has that of its process."""
    owners = list(owners)
    of_pid = {owner.pid: owner.rank for owner in owners if owner.rank is not None}
    return {owner: of_pid.get(owner.pid) if owner.rank is None else owner.rank for owner in owners}


def _parts(events: Events, gpus: Sequence[Place]) -> dict[Owner, Any] | None:
    """The process of each part, where the file is several whole traces of one process each."""
    parts = {place.owner.part for place in gpus}
    calling = [events.owners[code] for code in np.unique(events.call_owner)]
    pids: dict[int, set[Any]] = {part: set() for part in parts}
    for owner in calling:
        pids.setdefault(owner.part, set()).add(owner.pid)
    alone = {part: next(iter(found)) for part, found in pids.items() if len(found) == 1}
    if len(parts) < 2 or len(set(alone.values())) < len(pids):
        return None
    everyone = [*events.owners, *(place.owner for place in gpus)]
    return {owner: alone.get(owner.part) for owner in everyone}
