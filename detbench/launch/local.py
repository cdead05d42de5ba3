"""Runs a training as a process of this machine."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal

from detbench.gpus.discovery import may_read_counters
from detbench.launch import cgroup
from detbench.launch.base import (
    GRACE_SECONDS,
    Exit,
    Halt,
    OnEvent,
    take_line,
    terminate_as_interrupt,
    wait,
)

_log = logging.getLogger(__name__)
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class LocalLauncher:
    """Starts a process with this interpreter.

    Attributes:
        gpus: the UUIDs of its GPUs; () lets it use all.
        memory: its limit in bytes, data loader workers included; None for no limit.
    """

    gpus: tuple[str, ...] = ()
    memory: int | None = None
    python: str = sys.executable

    def at_most(self) -> dict[str, Any]:
        """The limit on memory."""
        return {"memory": self.memory} if self.memory else {}

    def seen(self, folder: Path) -> Path:
        """The folder, unchanged."""
        return folder

    def has_program(self, name: str) -> bool:
        """Whether the program is on the PATH."""
        return shutil.which(name) is not None

    def reads_counters(self) -> bool:
        """Whether the driver lets this process read counters."""
        return may_read_counters()

    def facts(self) -> dict[str, Any]:
        """The memory limit and its mechanism; everything else is unlimited."""
        return {"limits": {**self.at_most(), "by": cgroup.mechanism()}} if self.memory else {}

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
        """Run the command; a signal ends its whole process group.

        A process that even SIGKILL does not end, because it hangs in a driver, is left behind.

        Raises:
            FileNotFoundError: the program does not exist.
            MissingError: its memory cannot be limited here.
        """
        chosen = {"CUDA_VISIBLE_DEVICES": ",".join(self.gpus)} if self.gpus else {}
        limits = nullcontext() if self.memory is None else cgroup.limited(self.memory)
        with limits as group, log.open("wb", buffering=0) as sink:
            count_kills = group.oom_kills if group else _oom_kills
            kills_before = count_kills()
            _log.info("runs %s", shlex.join(command))
            process = subprocess.Popen(
                group.entered(command) if group else command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment, **chosen, "PYTHONPATH": _python_path()},
                start_new_session=True,  # its own process group, with its data loader's workers
            )
            assert process.stdout is not None
            reader = threading.Thread(
                target=_copy_output, args=(process.stdout, sink, on_event), daemon=True
            )
            reader.start()
            ended: Literal["itself", "timeout", "interrupt", "halt"]
            with terminate_as_interrupt():
                try:
                    ended = wait(partial(_ended, process), time_limit, halt)
                except KeyboardInterrupt:
                    ended = "interrupt"
                code = _end_group(process)
            reader.join(GRACE_SECONDS)
            kills_after = count_kills()
        kills = None if kills_before is None or kills_after is None else kills_after - kills_before
        return Exit(code, ended, kills, halt.why if halt else "")


def _python_path() -> str:
    """The folder of this package, before those that the user named."""
    own, given = str(_PACKAGE_PARENT), os.environ.get("PYTHONPATH")
    return f"{own}{os.pathsep}{given}" if given else own


def _copy_output(source: IO[bytes], sink: IO[bytes], on_event: OnEvent) -> None:
    for line in source:
        take_line(line, sink, on_event)


def _ended(process: subprocess.Popen[bytes], within: float) -> bool:
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end_group(process: subprocess.Popen[bytes]) -> int:
    """End what is left of the process's group: SIGINT, a grace period, then SIGKILL.

    Returns the process's exit code.
    """
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        with suppress(KeyboardInterrupt):
            _ended(process, GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    _ended(process, GRACE_SECONDS)
    return -signal.SIGKILL if process.returncode is None else process.returncode


def _oom_kills() -> int | None:
    """How many processes the kernel has killed for lack of memory since it started."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
