"""Runs a command as a process of this machine, its output in a log, until it ends or is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from detbench import events

_GRACE_SECONDS = 10.0  # for a training to write its log's end after Ctrl-C

OnEvent = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Exit:
    """How a process ended.

    Attributes:
        code: its exit code, minus the signal's number when a signal ended it.
        by: whether it ended by itself, at its time limit or by the user's Ctrl-C.
        oom_kills: how often the kernel ran out of memory and killed meanwhile; None when this
            system does not count it.
    """

    code: int
    by: Literal["itself", "timeout", "interrupt"]
    oom_kills: int | None


def run_process(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    on_event: OnEvent,
    time_limit: float | None = None,
) -> Exit:
    """Run `command` with its output in `log`, and its events passed to `on_event`.

    SIGINT and SIGTERM to this process end the command's whole process group, first politely.

    Raises:
        FileNotFoundError: the program does not exist.
    """
    kills_before = _oom_kills()
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,  # a group of its own, with its data loader's workers
        )
        assert process.stdout is not None
        reader = threading.Thread(
            target=_copy_output, args=(process.stdout, sink, on_event), daemon=True
        )
        reader.start()
        ended: Literal["itself", "timeout", "interrupt"] = "itself"
        with _terminate_as_interrupt():
            try:
                process.wait(time_limit)
            except subprocess.TimeoutExpired:
                ended = "timeout"
            except KeyboardInterrupt:
                ended = "interrupt"
            _end_group(process)
        reader.join(_GRACE_SECONDS)
    kills_after = _oom_kills()
    kills = None if kills_before is None or kills_after is None else kills_after - kills_before
    return Exit(process.returncode, ended, kills)


def _copy_output(source: IO[bytes], sink: IO[bytes], on_event: OnEvent) -> None:
    for line in source:
        event = events.parse(line.decode("utf-8", errors="replace"))
        if event is None:
            sink.write(line)
            sink.flush()
        else:
            on_event(event)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the process's group: SIGINT, a grace period, then SIGKILL."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(_GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _terminate_as_interrupt:  # noqa: N801 - reads as a context manager
    """Within it SIGTERM raises KeyboardInterrupt, as SIGINT does: a batch system ends a run so."""

    def __enter__(self) -> None:
        self._outside: Any = None
        if threading.current_thread() is threading.main_thread():
            self._outside = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        if self._outside is not None:
            signal.signal(signal.SIGTERM, self._outside)


def _oom_kills() -> int | None:
    """How many processes the kernel has killed for lack of memory since it started."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
