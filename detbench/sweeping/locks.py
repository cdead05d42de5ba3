"""Locks between the sweeps of a results folder: one process per cell, and one per device.

The kernel holds the lock (flock(2)) and releases it when its owner ends, in any way: the cell
of a killed sweep is free at once, and a lock file left behind means nothing.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from detbench.errors import MissingError
from detbench.records.spec import RunSpec

_FOLDER = ".sweep"


def lock_file(root: Path, spec: RunSpec) -> Path:
    """The lock file of a cell."""
    name = f"{spec.model}_bs{spec.batch_size}_{spec.mode}_{spec.digest()[:12]}.lock"
    return root / spec.gpu_profile / _FOLDER / name


def device_file(root: Path, device: str) -> Path:
    """The lock file of a device of this host: a GPU's UUID, or `cpu`."""
    return root / _FOLDER / f"{socket.gethostname()}_{device}.lock"


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Try to take the lock for the block; yields whether this process has it.

    Raises:
        MissingError: no lock can be made there.
    """
    descriptor, mine = _open(path), False
    try:
        mine = _lock(descriptor, path)
        if mine:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} on {socket.gethostname()}".encode())
        yield mine
    finally:
        if mine:
            path.unlink(missing_ok=True)
        os.close(descriptor)


def owner(path: Path) -> str:
    """The process that holds the lock, `4711 on HOST`; empty if it was just released."""
    with suppress(OSError):
        return path.read_text(encoding="utf-8")
    return ""


def wait_until_free(path: Path) -> None:
    """Wait until the lock is released."""
    with suppress(FileNotFoundError), path.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)  # shared: NFS gives an exclusive lock to writers only


@contextmanager
def held(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock for the block; `on_wait` is called before waiting for it.

    Raises:
        MissingError: no lock can be made there.
    """
    while True:
        with claimed(path) as mine:
            if mine:
                yield
                return
        on_wait()
        wait_until_free(path)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise MissingError(
            f"{path} cannot be written: {error.strerror}", "pass --results with a folder of yours"
        ) from error


def _lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise MissingError(
            f"{path} cannot be locked: {error.strerror}", "pass --results on another file system"
        ) from error
    # The previous owner may have removed the file: the name may be another file's by now.
    with suppress(FileNotFoundError):
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    return False
