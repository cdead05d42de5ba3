"""Limits the memory of a process and its children through a kernel control group.

The group is a child of this process's own group (version 1) or its sibling (version 2, where a
group with processes has no limited children), so limits of the groups above still apply. If the
group runs out of memory, the kernel kills a process in it and no other.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from detbench.errors import MissingError
from detbench.sizes import size_name

_MOUNTS: Final = Path("/proc/self/mountinfo")
_OWN: Final = Path("/proc/self/cgroup")
_OF_SWAP = ("memory.memsw.limit_in_bytes", "memory.swap.max")  # absent without swap accounting
_ENTER = 'echo $$ > "$0" && exec "$@"'
_PATIENCE_SECONDS = 5.0  # for the kernel to reap the killed processes


@dataclass(frozen=True)
class Group:
    """A control group with a limit on its memory.

    Attributes:
        version: of the kernel's interface, 1 or 2.
    """

    folder: Path
    version: int

    def entered(self, command: Sequence[str]) -> list[str]:
        """The command line that joins the group and becomes `command`."""
        return ["/bin/sh", "-c", _ENTER, str(self.folder / "cgroup.procs"), *command]

    def oom_kills(self) -> int | None:
        """The group's processes killed for lack of memory, if the kernel counts them."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        words = (self.folder / name).read_text().split()
        counts = dict(zip(words[::2], words[1::2], strict=True))
        return int(counts["oom_kill"]) if "oom_kill" in counts else None


def mechanism() -> str:
    """The mechanism that limited the memory, for the record."""
    return f"cgroup v{_hierarchy()[1]}"


@contextmanager
def limited(memory: int) -> Iterator[Group]:
    """A group limited to so many bytes, swap included; removed with its processes after the block.

    Raises:
        MissingError: this process may not create one.
    """
    parent, version = _hierarchy()
    folder = parent / f"detbench-{os.getpid()}-{time.monotonic_ns()}"
    limits = (
        {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory}
        if version == 1
        else {"memory.max": memory, "memory.swap.max": 0}
    )
    group = Group(folder, version)
    try:
        folder.mkdir()
        try:
            for name, value in limits.items():
                if (folder / name).exists() or name not in _OF_SWAP:
                    (folder / name).write_text(str(value))
            subprocess.run(group.entered(["true"]), check=True, capture_output=True)
        except BaseException:
            folder.rmdir()
            raise
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.strerror if isinstance(error, OSError) else error.stderr.decode().strip()
        raise _refused(
            f"memory cannot be limited to {size_name(memory)} here: {folder}:"
            f" {said or 'no program can run in so little'}"
        ) from error
    try:
        yield group
    finally:
        _remove(folder)


def _refused(why: str) -> MissingError:
    return MissingError(
        why, "run as root or in systemd-run --user --scope, or pass --launcher docker"
    )


def _remove(folder: Path) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        for pid in (folder / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        with suppress(OSError):  # the killed processes have yet to be reaped
            folder.rmdir()
            return
        time.sleep(0.05)


def _hierarchy() -> tuple[Path, int]:
    """The folder in which memory groups are created, and the interface's version."""
    own = dict(line.split(":", 2)[1:] for line in _OWN.read_text().splitlines())
    for line in _MOUNTS.read_text().splitlines():
        # "36 35 98:0 ROOT POINT options - TYPE source superoptions", see proc(5)
        before, _, after = line.partition(" - ")
        root, point = (field.replace("\\040", " ") for field in before.split()[3:5])
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup" and "memory" in options.split(","):
            names = next(n for n in own if "memory" in n.split(","))
            return Path(point) / os.path.relpath(own[names], root), 1
        if kind == "cgroup2":
            folder = Path(point) / os.path.relpath(own[""], root)
            for place in (folder, folder.parent):  # the root group may have both
                controllers = place / "cgroup.subtree_control"
                if controllers.is_file() and "memory" in controllers.read_text().split():
                    return place, 2
    raise _refused("memory cannot be limited here: no memory control group was found")
