"""Unpacks archives of datasets, but only files and folders that stay inside the target folder."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from detbench.datasets.archives import Archive
from detbench.errors import BadFileError, MissingError

_DONE = ".detbench-unpacked"

OnBytes = Callable[[int, int], None]
"""Called with the number of bytes so far, and the total."""


def is_unpacked(archive: Archive, root: Path) -> bool:
    """Whether the content of the archive is already under `root`."""
    return (root / f"{_DONE}-{archive.name}").is_file()


def unpack(archive: Archive, root: Path, *, on_bytes: OnBytes) -> None:
    """Unpack a fetched archive into `root`, then the archives inside it.

    A member that would be outside `root`, or is neither a file nor a folder, is refused.

    Raises:
        BadFileError: it is not an archive, or it has such a member.
        MissingError: the disk is full.
    """
    try:
        _unpack(root / archive.name, root, on_bytes)
        for name in archive.inner:
            _unpack(root / name, root, on_bytes)
            (root / name).unlink()
    except OSError as error:
        raise MissingError(
            f"{error.filename or root} cannot be written: {error.strerror}",
            "free some space; the same command unpacks it again",
        ) from error
    (root / f"{_DONE}-{archive.name}").write_text(archive.sha256 + "\n", encoding="utf-8")


def _unpack(path: Path, root: Path, on_bytes: OnBytes) -> None:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as opened:
                _unpack_zip(opened, path, root, on_bytes)
        else:
            with tarfile.open(path) as opened:
                _unpack_tar(opened, path, root, on_bytes)
    except (zipfile.BadZipFile, tarfile.TarError) as error:
        raise BadFileError(path, f"not a whole archive: {error}", "fetch it again") from error


def _unpack_zip(opened: zipfile.ZipFile, path: Path, root: Path, on_bytes: OnBytes) -> None:
    members = opened.infolist()
    total, done = sum(member.file_size for member in members), 0
    for member in members:
        _check_inside(member.filename, path)
        if (member.external_attr >> 28) == 0o12:  # a symbolic link's mode
            raise _refused(member.filename, path, "is a link")
        opened.extract(member, root)
        done += member.file_size
        on_bytes(done, total)


def _unpack_tar(opened: tarfile.TarFile, path: Path, root: Path, on_bytes: OnBytes) -> None:
    members = opened.getmembers()
    total, done = sum(member.size for member in members), 0
    for member in members:
        _check_inside(member.name, path)
        if not (member.isfile() or member.isdir()):
            raise _refused(member.name, path, "is neither a file nor a folder")
        opened.extract(member, root, set_attrs=False)
        done += member.size
        on_bytes(done, total)


def _check_inside(name: str, path: Path) -> None:
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts:
        raise _refused(name, path, "lies outside the target folder")


def _refused(name: str, path: Path, why: str) -> BadFileError:
    return BadFileError(path, f"its member '{name}' {why}", "do not use it; check where it is from")
