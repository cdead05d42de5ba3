"""A ledger of live memory: every byte on one account, peaks by part, and a thinned timeline.

It is independent of torch: the tracker reports storages that appear, end or change category.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from detbench.readers.memory_curve import CATEGORIES, UNATTRIBUTED
from detbench.training.device_memory import DeviceMemory

Key = tuple[str, str]  # category, module
MOST_MOMENTS = 200  # at most, in a phase's timeline


@dataclass(slots=True)
class Account:
    """A live storage: its bytes, its purpose, and the event of its creation."""

    size: int
    key: Key
    born: int


@dataclass(slots=True)
class Moment:
    """The highest point of a stretch of changes: bytes by category, and the device's levels.

    Attributes:
        time: ns since the iteration's start, taken just before memory fell from that point.
        changes: how many storages appeared, ended or changed size in the stretch.
    """

    iteration: int
    phase: str
    time: int
    event: int
    tracked: int
    categories: dict[str, int]
    reading: tuple[int, ...]
    changes: int = 0


@dataclass(slots=True)
class Peak:
    """A phase's highest point: bytes by category and module."""

    event: int
    tracked: int
    parts: dict[Key, int]
    reading: tuple[int, ...]


@dataclass
class Ledger:
    """Counts bytes, and keeps each phase's peak and at most `most` moments of every iteration.

    A storage counts under the category known at the end of its iteration: a gradient is one even
    before it is accumulated. Moments and peaks that include the storage are corrected when its
    category becomes known.
    """

    memory: DeviceMemory
    clock: Callable[[], int] = time.perf_counter_ns
    most: int = MOST_MOMENTS
    peaks: dict[tuple[int, str], Peak] = field(default_factory=dict)
    timeline: list[Moment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._parts: defaultdict[Key, int] = defaultdict(int)
        self._categories = dict.fromkeys(CATEGORIES, 0)
        self._total = self._high = 0
        self._event = 0
        self._iteration, self._phase, self._start = -1, "", 0
        self._closed: list[Moment] = []  # of this iteration's earlier phases
        self._own_peaks: dict[str, Peak] = {}  # of this iteration
        self._open_phase("")

    # Iterations and phases.

    def begin(self, iteration: int) -> None:
        """Begin an iteration, with the phase `data`; memory before it has no phase."""
        self.end()
        self._iteration, self._start = iteration, self.clock()
        self._open_phase("data")

    def enter(self, phase: str) -> None:
        """Begin the iteration's next phase; a phase may occur again."""
        self._close_phase()
        self._open_phase(phase)

    def end(self) -> None:
        """End the iteration."""
        self._close_phase()
        self.timeline += self._closed
        self.peaks |= {(self._iteration, phase): peak for phase, peak in self._own_peaks.items()}
        self._closed, self._own_peaks = [], {}
        self._open_phase("")

    def _open_phase(self, phase: str) -> None:
        self._phase = phase
        self._moments: list[Moment] = []
        self._peak: Peak | None = None
        self._stride = 1
        self._highest = self._total
        self._is_highest = True
        self._open_stretch()

    def _close_phase(self) -> None:
        self._close_stretch()
        assert self._peak is not None  # the stretch that just ended has set it
        if not self._phase:
            return
        before = self._own_peaks.get(self._phase)
        if before is None or self._peak.tracked > before.tracked:
            self._own_peaks[self._phase] = self._peak
        self._closed += self._moments
        self._moments = []

    # Storages that appear, end or change category.

    def add(self, size: int, key: Key) -> Account:
        """A storage was created."""
        self._event += 1
        account = Account(size, key, self._event)
        self._change(key, size)
        return account

    def free(self, account: Account) -> None:
        """A storage is being freed."""
        self._shrink(account.key, account.size)

    def resize(self, account: Account, size: int) -> None:
        """Change the size of a storage."""
        if size > account.size:
            self._event += 1
            self._change(account.key, size - account.size)
        else:
            self._shrink(account.key, account.size - size)
        # A later change of category corrects moments only from here on, which have this size.
        account.size, account.born = size, self._event

    def move(self, account: Account, key: Key) -> None:
        """A storage turns out to have another purpose, and has had it since its creation."""
        old, size, born = account.key, account.size, account.born
        if old == key:
            return
        account.key = key
        if not size:
            return
        self._parts[old] -= size
        self._parts[key] += size
        peaks = [*self._own_peaks.values(), *([self._peak] if self._peak else [])]
        for peak in peaks:
            if peak.event >= born:
                peak.parts[old] -= size
                peak.parts[key] = peak.parts.get(key, 0) + size
        if old[0] == key[0]:
            return
        self._categories[old[0]] -= size
        self._categories[key[0]] += size
        for moments in ([self._best] if self._best else [], self._moments, self._closed):
            for moment in reversed(moments):
                if moment.event < born:
                    return
                moment.categories[old[0]] -= size
                moment.categories[key[0]] += size

    def _shrink(self, key: Key, size: int) -> None:
        if self._is_high:
            self._settle()
        self._event += 1
        self._change(key, -size)

    def _change(self, key: Key, size: int) -> None:
        self._parts[key] += size
        self._categories[key[0]] += size
        self._total = total = self._total + size
        if total > self._high:
            self._high, self._is_high = total, True
            if total > self._highest:
                self._highest, self._is_highest = total, True
        self._changes += 1
        if self._changes == self._stride:
            self._close_stretch()
            self._open_stretch()

    # High points. Their parts are copied just before memory falls from them.

    def _open_stretch(self) -> None:
        self._best: Moment | None = None
        self._changes = 0
        # The start of a stretch belongs to the one before, except in a phase's first stretch.
        self._high = -1 if self._moments else self._total
        self._is_high = not self._moments

    def _close_stretch(self) -> None:
        if self._is_high:
            self._settle()
        if self._best is None:  # no change happened in it
            return
        self._best.changes = self._changes
        self._moments.append(self._best)
        self._best = None
        if len(self._moments) == self.most:
            pairs = zip(self._moments[::2], self._moments[1::2], strict=True)
            self._moments = [_higher(first, second) for first, second in pairs]
            self._stride *= 2

    def _settle(self) -> None:
        self._is_high = False
        reading = self.memory.read()
        self._best = Moment(
            self._iteration,
            self._phase,
            self.clock() - self._start,
            self._event,
            self._total,
            dict(self._categories),
            reading,
        )
        if self._is_highest:
            self._is_highest = False
            parts = {key: size for key, size in self._parts.items() if size}
            self._peak = Peak(self._event, self._total, parts, reading)


def _higher(first: Moment, second: Moment) -> Moment:
    higher = first if first.tracked >= second.tracked else second
    higher.changes = first.changes + second.changes
    return higher


def parts_of(peak: Peak, memory: DeviceMemory) -> dict[Key, int]:
    """The bytes at a peak by category and module, including those that no tensor explains."""
    parts = {key: size for key, size in peak.parts.items() if size}
    for name, size in memory.beyond(peak.tracked, peak.reading).items():
        parts[UNATTRIBUTED, name] = size
    return parts
