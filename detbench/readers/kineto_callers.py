"""What a trace's events say about their processes, and which process launched each activity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from detbench.readers.timeline import CPU

Numbers = npt.NDArray[np.int64]
NOBODY = -1


class Owner(NamedTuple):
    """What an event says about its process; `part` counts the traces before it in the file."""

    pid: Any
    rank: Any
    part: int


class Place(NamedTuple):
    """Where an activity ran, in the file's words."""

    device: Any
    context: Any
    owner: Owner

    @property
    def number(self) -> str:
        """The device's number; a GPU without one has it as its pid."""
        return str(self.owner.pid if self.device is None else self.device)


CPU_PLACE = Place(CPU, None, Owner(None, None, 0))


class Events(NamedTuple):
    """Columns of a trace: places and owners as numbers into their lists.

    A correlation below 0 is none.
    """

    places: Sequence[Place]
    place: Numbers
    correlation: Numbers
    owners: Sequence[Owner]
    call_owner: Numbers
    call_correlation: Numbers
    range_owner: Numbers


def callers_of(events: Events, pids: Sequence[Any]) -> Numbers:
    """For each activity the process (by its place in `pids`) of the call with its number.

    -1 where there is none, or where calls of two processes have it.
    """
    found = np.full(len(events.place), NOBODY, np.int64)
    is_own = ~is_shared(events) & (events.call_correlation >= 0)
    numbers, first = np.unique(events.call_correlation[is_own], return_index=True)
    if len(numbers):
        of_owner = np.array([code_of(pids, owner.pid) for owner in events.owners], np.int64)
        caller = of_owner[events.call_owner[is_own][first]]
        at = np.searchsorted(numbers, events.correlation).clip(max=len(numbers) - 1)
        found = np.where(numbers[at] == events.correlation, caller[at], found)
    return found


def on_gpu(events: Events) -> npt.NDArray[np.bool_]:
    """Whether each activity ran on a GPU."""
    is_gpu = np.array([place is not CPU_PLACE for place in events.places], bool)
    return is_gpu[events.place]


def is_shared(events: Events) -> npt.NDArray[np.bool_]:
    """For each call, whether another process has one with the same correlation number."""
    pids = distinct(owner.pid for owner in events.owners)
    if len(pids) < 2:
        return np.zeros(len(events.call_owner), bool)
    pid = np.array([pids.index(owner.pid) for owner in events.owners], np.int64)
    calls = np.unique(np.stack([events.call_correlation, pid[events.call_owner]]), axis=1)
    numbers, count = np.unique(calls[0], return_counts=True)
    return np.isin(events.call_correlation, numbers[count > 1])


def code_of(processes: Sequence[Any], process: Any) -> int:
    """The place of a process among others; -1 if it has none."""
    return processes.index(process) if process in processes else NOBODY


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each value once, in the order of its first."""
    return list(dict.fromkeys(values))
