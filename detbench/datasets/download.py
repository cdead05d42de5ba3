"""Downloads published archives, resumes interrupted transfers, and verifies checksums."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from detbench.datasets.archives import Archive
from detbench.datasets.unpack import OnBytes, is_unpacked
from detbench.errors import BadFileError, MissingError, UsageError
from detbench.hashing import sha256_of

_GB = 1e9
_RECEIVED = 1 << 16  # bytes per block, the most that an interrupted transfer loses
_TIMEOUT = 60  # seconds without a byte
_TRIES = 5


def check_space(archives: tuple[Archive, ...], root: Path) -> None:
    """Check in advance whether the remaining downloads and their content will fit on the disk.

    Raises:
        MissingError: `root` cannot be made, or its disk has too little space.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MissingError(
            f"{root} cannot be made: {error.strerror}", "name another folder with --root"
        ) from error
    needed = 0
    for archive in archives:
        if not is_unpacked(archive, root):
            present = max(_size(root / archive.name), _size(_part(root, archive)))
            needed += max(0, archive.bytes - present) + archive.unpacked
    free = shutil.disk_usage(root).free
    if needed > free:
        raise MissingError(
            f"{root} has {free / _GB:.1f} GB free, and {needed / _GB:.1f} GB are needed",
            "free some, or name another folder with --root",
        )


def fetch(archive: Archive, root: Path, *, mirror: str = "", on_bytes: OnBytes) -> Path:
    """Fetch an archive into `root`, resuming an earlier try, and verify it.

    Args:
        archive: what to fetch.
        root: the folder for `<name>`, or `.part-<name>` while it is incomplete.
        mirror: a URL of a folder that has the archive by its name, instead of its own URL.
        on_bytes: called with the progress.

    Raises:
        MissingError: the server does not have it, or cannot be reached; or the disk is full.
        BadFileError: the file has another size or checksum; it is removed.
    """
    target, part = root / archive.name, _part(root, archive)
    if _size(target) != archive.bytes:
        url = f"{mirror.rstrip('/')}/{archive.name}" if mirror else archive.url
        for attempt in range(1, _TRIES + 1):
            try:
                _receive(url, archive, part, on_bytes)
                break
            except _InterruptedTransferError as error:
                if attempt == _TRIES:
                    raise MissingError(
                        f"{url} broke off {_TRIES} times: {error}",
                        "the same command goes on from there",
                    ) from error
                time.sleep(attempt - 1)
    else:
        part = target
    found = sha256_of(part)
    if found != archive.sha256:
        part.unlink()
        raise BadFileError(
            target,
            f"its sha256 is {found}, the published one is {archive.sha256}",
            "it was removed; fetch it again, from another --mirror if that does not help",
        )
    part.replace(target)
    return target


class _InterruptedTransferError(Exception):
    """A transfer broke off and can be resumed."""


def _receive(url: str, archive: Archive, part: Path, on_bytes: OnBytes) -> None:
    """Append the missing bytes of an archive to `part`."""
    import requests

    have = _size(part)
    if have > archive.bytes:
        part.unlink()
        have = 0
    if have == archive.bytes:
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
            if answer.status_code not in (200, 206):
                raise MissingError(
                    f"{url}: the server says {answer.status_code} {answer.reason}",
                    "check whether it has moved; --mirror names another place",
                )
            if answer.status_code == 200:  # a server that cannot resume starts over
                have = 0
            with part.open("ab" if have else "wb") as stream:
                for block in answer.iter_content(_RECEIVED):
                    stream.write(block)
                    have += len(block)
                    if have > archive.bytes:
                        raise _other(part, archive)
                    on_bytes(have, archive.bytes)
    except requests.exceptions.InvalidURL as error:
        raise UsageError(f"{url} is not a URL", "as in http://host/folder") from error
    except requests.RequestException as error:
        # The innermost reason: the outer ones repeat the URL.
        reason = getattr(error.args[0], "reason", error) if error.args else error
        said = str(reason).rpartition(": ")[2]
        raise _InterruptedTransferError(f"{said.strip(')')}; {have} bytes are there") from error
    except OSError as error:
        raise MissingError(
            f"{part} cannot be written: {error.strerror}",
            "free some space; the same command goes on from there",
        ) from error
    if have < archive.bytes:
        raise _InterruptedTransferError(f"{have} of {archive.bytes} bytes came")


def _other(part: Path, archive: Archive) -> BadFileError:
    part.unlink()
    return BadFileError(
        part, f"it is larger than the {archive.bytes} bytes published", "check where the URL leads"
    )


def _part(root: Path, archive: Archive) -> Path:
    return root / f".part-{archive.name}"


def _size(path: Path) -> int:
    return os.stat(path).st_size if path.is_file() else 0  # noqa: PTH116
