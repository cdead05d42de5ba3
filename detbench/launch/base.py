"""What every way to start a training has in common: how it ended, and how a signal ends it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from detbench.records import events

GRACE_SECONDS = 10.0  # for a training to write its log's end after Ctrl-C

OnEvent = Callable[[Mapping[str, Any]], None]
"""Takes an event: a mapping whose `event` says which, the other keys being its content."""


def ignore(_: Mapping[str, Any]) -> None:
    """Takes events that nobody wants."""


@dataclass(frozen=True)
class Exit:
    """How a training ended.

    Attributes:
        code: its exit code, minus the signal's number when a signal ended it.
        by: whether it ended by itself, at its time limit, by the user's Ctrl-C, or because the
            engine that ran it went away.
        oom_kills: how often the kernel ran out of memory and killed meanwhile; None when this
            system does not count it.
    """

    code: int
    by: Literal["itself", "timeout", "interrupt", "engine"]
    oom_kills: int | None


class Launcher(Protocol):
    """One way to start a training: as a process of this machine, in a container."""

    @property
    def python(self) -> str:
        """The interpreter that trains."""

    @property
    def gpus(self) -> tuple[str, ...]:
        """The indices or UUIDs of the GPUs that it may use, where any were chosen."""

    def at_most(self) -> dict[str, Any]:
        """What it may use at most: `memory` in bytes, `cpus`; what is not limited is left out."""

    def seen(self, folder: Path) -> Path:
        """The path under which the training finds a folder of the results."""

    def has_program(self, name: str) -> bool:
        """Whether a profiler is there where the training will run."""

    def reads_counters(self) -> bool:
        """Whether the training may read GPU performance counters."""

    def facts(self) -> dict[str, Any]:
        """What a record's environment says of it."""

    def run(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        on_event: OnEvent,
        time_limit: float | None,
    ) -> Exit:
        """Run `command` with its output in `log`, and its events passed to `on_event`.

        SIGINT and SIGTERM to this process end it, first politely.
        """


def take_line(line: bytes, sink: IO[bytes], on_event: OnEvent) -> None:
    """A line of a training's output: an event is passed on, all else goes into the log.

    What a full disk does not take is left out: the training itself says what became of it. `sink`
    has to be unbuffered.
    """
    event = events.parse(line.decode("utf-8", errors="replace"))
    if event is not None:
        on_event(event)
        return
    with suppress(OSError):
        sink.write(line)


class terminate_as_interrupt:  # noqa: N801 - reads as a context manager
    """Within it SIGTERM raises KeyboardInterrupt, as SIGINT does: a batch system ends a run so."""

    def __enter__(self) -> None:
        self._outside: Any = None
        if threading.current_thread() is threading.main_thread():
            self._outside = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        if self._outside is not None:
            signal.signal(signal.SIGTERM, self._outside)
