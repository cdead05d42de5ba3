"""Samples this host and a run's processes through the kernel, as cells of `monitoring.csv`."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from detbench.telemetry.cells import not_told

_MIB = 1 << 20
_TICKS, _PAGE_BYTES = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
_SCAN_SHARE = 0.002  # of a core: the most that scans for new processes may cost

COLUMNS = (
    "cpu.util [%]",
    "load.1m",
    "memory.host.used [MiB]",
    "disk.read [MiB/s]",
    "disk.write [MiB/s]",
    "disk.free [MiB]",
    "run.cpu [cores]",
    "run.memory [MiB]",
    "run.processes",
)


class HostSampler:
    """Samples the host's CPU, memory and disks, and what a run's processes use of them.

    The run's processes are all descendants of this process, and `roots` (those of a container)
    with their descendants. Rates are since the previous sample; the first sample has none.
    """

    def __init__(self, folder: Path) -> None:
        self.roots: set[int] = set()
        self.why_no_run = ""
        self._folder = folder
        self._rates = _Rates()
        self._tree = _Tree()

    def sample(self) -> dict[str, str]:
        """The row of the host. What the kernel does not tell, without /proc say, costs no other."""
        cells: dict[str, str] = {}
        for names, read in (
            (COLUMNS[:1], self._cpu),
            (COLUMNS[1:2], self._load),
            (COLUMNS[2:3], self._memory),
            (COLUMNS[3:5], self._disks),
            (COLUMNS[5:6], self._free),
            (COLUMNS[6:], self._run),
        ):
            try:
                values = read()
            except (OSError, psutil.Error, _UntoldError) as error:
                values = (not_told(error),) * len(names)
            cells.update(zip(names, values, strict=True))
        return cells

    def _cpu(self) -> tuple[str, ...]:
        busy, all_time = _cpu_seconds()
        cpu = self._rates.since("cpu", busy, all_time)
        return ("" if cpu is None else f"{min(100 * cpu, 100):.1f}",)

    def _load(self) -> tuple[str, ...]:
        return (f"{os.getloadavg()[0]:.2f}",)

    def _memory(self) -> tuple[str, ...]:
        memory = psutil.virtual_memory()
        return (f"{(memory.total - memory.available) / _MIB:.0f}",)

    def _disks(self) -> tuple[str, ...]:
        counted = psutil.disk_io_counters(nowrap=False)
        if counted is None:
            raise _UntoldError("no disk can be seen from here")
        now = time.monotonic()
        done = {"read": counted.read_bytes, "write": counted.write_bytes}
        rates = [self._rates.since(name, count / _MIB, now) for name, count in done.items()]
        return tuple("" if rate is None else f"{rate:.2f}" for rate in rates)

    def _free(self) -> tuple[str, ...]:
        return (f"{psutil.disk_usage(str(self._folder)).free / _MIB:.0f}",)

    def _run(self) -> tuple[str, ...]:
        if self.why_no_run:
            raise _UntoldError(self.why_no_run)
        cores, resident, count = self._tree.sample(self.roots)
        used = self._rates.since("run", cores, time.monotonic())
        return "" if used is None else f"{used:.2f}", f"{resident / _MIB:.0f}", str(count)


class _UntoldError(Exception):
    """A quantity is not available, for the reason that it gives."""


class _Rates:
    """Rates of counters since their last reading."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, float]] = {}

    def since(self, name: str, value: float, clock: float) -> float | None:
        """The growth of `value` divided by that of `clock`; None the first time."""
        before = self._last.get(name)
        self._last[name] = (value, clock)
        if before is None or clock <= before[1]:
            return None
        return max(0.0, value - before[0]) / (clock - before[1])


class _Seen(NamedTuple):
    """A process at one moment; a process number can be reused, but not with the same start time."""

    pid: int
    started: int
    parent: int
    seconds: float
    pages: int


class _Tree:
    """CPU time and resident memory of processes and their descendants."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, int], _Seen] = {}
        self._pids: set[int] = set()
        self._gone = 0.0  # CPU seconds of processes that ended unwaited for by the others
        self._next_scan = 0.0

    def sample(self, roots: set[int]) -> tuple[float, int, int]:
        """CPU seconds so far, resident bytes now (shared pages in each), and the process count."""
        if time.monotonic() >= self._next_scan:
            self._scan(roots)
        seen = {}
        for pid in self._pids:
            with suppress(OSError):  # the process has ended
                process = _stat(pid)
                seen[process.pid, process.started] = process
        ended = {p.pid: p for key, p in self._last.items() if key not in seen}
        self._last = seen
        alive = {process.pid for process in seen.values()}
        for process in ended.values():
            heir = process.parent
            while heir in ended:
                heir = ended[heir].parent
            if heir not in alive:  # else an ancestor has waited and has its time
                self._gone += process.seconds
        self._pids &= alive
        seconds = self._gone + sum(process.seconds for process in seen.values())
        return seconds, sum(p.pages for p in seen.values()) * _PAGE_BYTES, len(seen)

    def _scan(self, roots: set[int]) -> None:
        """Look for new processes. It reads all of the host's: on a busy host it is done less."""
        begun = time.thread_time()
        self._pids = {process.pid for process in psutil.Process().children(recursive=True)}
        for root in tuple(roots):  # a copy, as another thread adds roots
            with suppress(psutil.Error):
                children = psutil.Process(root).children(recursive=True)
                self._pids |= {root, *(process.pid for process in children)}
        self._next_scan = time.monotonic() + (time.thread_time() - begun) / _SCAN_SHARE


def _stat(pid: int) -> _Seen:
    """A process and its CPU time, including children that it has waited for: proc_pid_stat(5).

    psutil reads three files for this, at four times the cost.

    Raises:
        OSError: the process has ended.
    """
    with open(f"/proc/{pid}/stat", "rb") as stream:  # noqa: PTH123 - it is read in every sample
        fields = [int(f) for f in stream.read().rpartition(b")")[2].split()[1:22]]
    return _Seen(pid, fields[18], fields[0], sum(fields[10:14]) / _TICKS, fields[20])


def _cpu_seconds() -> tuple[float, float]:
    """Busy seconds and all seconds, summed over the cores; waiting for a disk counts as idle."""
    times = psutil.cpu_times()
    # Guest time is included in user and nice too (proc_stat(5)).
    total = sum(times) - getattr(times, "guest", 0) - getattr(times, "guest_nice", 0)
    return total - times.idle - getattr(times, "iowait", 0), total
