"""What all launchers share: how a training ended, and how a signal ends it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from detbench.records import events

GRACE_SECONDS = 10.0  # for a training to finish its log after Ctrl-C
_TURN_SECONDS = 1.0  # between two looks at what may end a training early

OnEvent = Callable[[Mapping[str, Any]], None]
"""Takes an event: a mapping with its name under `event` and its content under other keys."""


def ignore(_: Mapping[str, Any]) -> None:
    """Ignore an event."""


@dataclass(frozen=True)
class Exit:
    """How a training ended.

    Attributes:
        code: its exit code, or the negative number of the signal that ended it.
        by: whether it ended by itself, at its time limit, by the user's Ctrl-C, by a halt, or
            because the engine that ran it went away.
        oom_kills: how many processes the kernel killed meanwhile for lack of memory; None if this
            system does not count them.
        why: the reason of a halt.
    """

    code: int
    by: Literal["itself", "timeout", "interrupt", "halt", "engine"]
    oom_kills: int | None
    why: str = ""


@dataclass
class Halt:
    """Whether a training has to end because of something seen from outside it.

    Attributes:
        why: the reason; empty while there is none. Any thread may set it.
    """

    why: str = ""


class Launcher(Protocol):
    """A way to start a training: as a process of this machine, or in a container."""

    @property
    def python(self) -> str:
        """The Python interpreter of the training."""

    @property
    def gpus(self) -> tuple[str, ...]:
        """The indices or UUIDs of the GPUs it may use, if any were chosen."""

    def at_most(self) -> dict[str, Any]:
        """Its limits: `memory` in bytes, and `cpus`; what is not limited is left out."""

    def seen(self, folder: Path) -> Path:
        """The path of a results folder as the training sees it."""

    def has_program(self, name: str) -> bool:
        """Whether a profiler is installed where the training will run."""

    def reads_counters(self) -> bool:
        """Whether the training may read GPU performance counters."""

    def facts(self) -> dict[str, Any]:
        """Its entries in a record's environment."""

    def run(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        on_event: OnEvent,
        time_limit: float | None,
        halt: Halt | None = None,
    ) -> Exit:
        """Run `command`, write its output to `log` and pass its events to `on_event`.

        SIGINT or SIGTERM to this process ends the training, gracefully at first; so do
        `time_limit` seconds, and `halt` within a second of having a reason.
        """


def wait(
    ended: Callable[[float], bool], time_limit: float | None, halt: Halt | None
) -> Literal["itself", "timeout", "halt"]:
    """Wait for a training to end by itself, or for `time_limit` or `halt` that have to end it.

    `ended` waits for at most so many seconds, and says whether the training has ended.
    """
    begun = time.monotonic()
    while halt is None or not halt.why:
        left = _TURN_SECONDS
        if time_limit is not None:
            left = min(left, begun + time_limit - time.monotonic())
            if left <= 0:
                return "timeout"
        if ended(left):
            return "itself"
    return "halt"


def take_line(line: bytes, sink: IO[bytes], on_event: OnEvent) -> None:
    """Handle a line of a training's output: pass an event on, write anything else to the log.

    A line that does not fit on a full disk is dropped: the training reports how it ended. `sink`
    has to be unbuffered.
    """
    event = events.parse(line.decode("utf-8", errors="replace"))
    if event is not None:
        on_event(event)
        return
    with suppress(OSError):
        sink.write(line)


class terminate_as_interrupt:  # noqa: N801 - reads as a context manager
    """Make SIGTERM raise KeyboardInterrupt, as SIGINT does: batch systems end a run that way."""

    def __enter__(self) -> None:
        self._outside: Any = None
        if threading.current_thread() is threading.main_thread():
            self._outside = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        if self._outside is not None:
            signal.signal(signal.SIGTERM, self._outside)
