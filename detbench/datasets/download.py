"""Fetches the published archives of COCO and VOC and unpacks them in the suite's layout."""

from __future__ import annotations

import os
import shutil
import tarfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from detbench.errors import BadFileError, MissingError, UsageError
from detbench.hashing import sha256_of

_COCO = "http://images.cocodataset.org"
_VOC = "http://host.robots.ox.ac.uk/pascal/VOC"

_RECEIVED = 1 << 16  # bytes at once: of a transfer that breaks off so many at most are lost
_TIMEOUT = 60  # seconds without a byte
_TRIES = 5
_DONE = ".detbench-unpacked"

OnBytes = Callable[[int, int], None]
"""Called with how many bytes there are, and of how many."""


@dataclass(frozen=True)
class Archive:
    """A published archive.

    Attributes:
        bytes, sha256: as TensorFlow Datasets 4.9 lists them, who fetched them from the same place.
        unpacked: bytes that its content takes, rounded up.
        inner: archives in it that are unpacked as well.
    """

    name: str
    url: str
    bytes: int
    sha256: str
    unpacked: int
    inner: tuple[str, ...] = ()


def _coco(name: str, size: int, sha256: str, unpacked: int, inner: tuple[str, ...] = ()) -> Archive:
    folder = "annotations" if "annotations" in name else "zips"
    return Archive(name, f"{_COCO}/{folder}/{name}", size, sha256, unpacked, inner)


def _voc(name: str, size: int, sha256: str) -> Archive:
    year = "voc2012" if "2012" in name else "voc2007"
    return Archive(name, f"{_VOC}/{year}/{name}", size, sha256, size)


_GB = 10**9
ARCHIVES: dict[str, tuple[Archive, ...]] = {
    "coco": (
        _coco(
            "annotations_trainval2017.zip",
            252907541,
            "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
            _GB,
        ),
        _coco(
            "val2017.zip",
            815585330,
            "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
            _GB,
        ),
        _coco(
            "train2017.zip",
            19336861798,
            "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
            20 * _GB,
        ),
    ),
    "coco-panoptic": (
        _coco(
            "panoptic_annotations_trainval2017.zip",
            860725834,
            "c05f76d2129b6b561eb70efe16e7006df62f73fb92889132d373b9d90e31a370",
            3 * _GB,
            ("annotations/panoptic_train2017.zip", "annotations/panoptic_val2017.zip"),
        ),
    ),
    "voc2007": (
        _voc(
            "VOCtrainval_06-Nov-2007.tar",
            460032000,
            "7d8cd951101b0957ddfd7a530bdc8a94f06121cfc1e511bb5937e973020c7508",
        ),
        _voc(
            "VOCtest_06-Nov-2007.tar",
            451020800,
            "6836888e2e01dca84577a849d339fa4f73e1e4f135d312430c4856b5609b4892",
        ),
    ),
    "voc2012": (
        _voc(
            "VOCtrainval_11-May-2012.tar",
            1999639040,
            "e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
        ),
    ),
}


def archives_of(name: str) -> tuple[Archive, ...]:
    """The archives of a dataset.

    Raises:
        UsageError: naming the datasets there are.
    """
    if name == "voc0712":
        return (*ARCHIVES["voc2007"], *ARCHIVES["voc2012"])
    if name not in ARCHIVES:
        raise UsageError(f"no archives of '{name}'", f"known: {', '.join((*ARCHIVES, 'voc0712'))}")
    return ARCHIVES[name]


def is_unpacked(archive: Archive, root: Path) -> bool:
    """Whether the archive's content lies under `root` already."""
    return (root / f"{_DONE}-{archive.name}").is_file()


def check_space(archives: tuple[Archive, ...], root: Path) -> None:
    """Look beforehand whether what is still to be fetched and unpacked will fit.

    Raises:
        MissingError: `root` cannot be made, or its disk has too little room.
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
    """Fetch an archive into `root`, going on where an earlier try stopped, and check it.

    Args:
        archive: what to fetch.
        root: where it is put, as `<name>`; while incomplete, as `.part-<name>`.
        mirror: a URL under which the archive lies by its name, instead of its own.
        on_bytes: told how far it is.

    Raises:
        MissingError: the server has not got it, or is out of reach; or the disk is full.
        BadFileError: what came has another size or checksum; it is removed.
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
            "it was removed; fetch it again, from another --mirror if it stays so",
        )
    part.replace(target)
    return target


class _InterruptedTransferError(Exception):
    """A transfer broke off that can be gone on with."""


def _receive(url: str, archive: Archive, part: Path, on_bytes: OnBytes) -> None:
    """Receive what is missing of an archive at the end of `part`."""
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
                    "look whether it has moved; --mirror names another place",
                )
            if answer.status_code == 200:  # a server that cannot go on begins anew
                have = 0
            with part.open("ab" if have else "wb") as stream:
                for block in answer.iter_content(_RECEIVED):
                    stream.write(block)
                    have += len(block)
                    if have > archive.bytes:
                        raise _other(part, archive)
                    on_bytes(have, archive.bytes)
    except requests.exceptions.InvalidURL as error:
        raise UsageError(f"{url} is no URL", "as in http://host/folder") from error
    except requests.RequestException as error:
        # The innermost reason: what wraps it names the URL again.
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
        part, f"more bytes come than the {archive.bytes} published", "look where the URL leads"
    )


def unpack(archive: Archive, root: Path, *, on_bytes: OnBytes) -> None:
    """Unpack a fetched archive into `root`, and the archives in it.

    A member that would land outside of `root`, or is neither file nor folder, is refused.

    Raises:
        BadFileError: it is no archive, or has such a member.
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
        raise _refused(name, path, "lies outside of it")


def _refused(name: str, path: Path, why: str) -> BadFileError:
    return BadFileError(path, f"its member '{name}' {why}", "do not use it; look where it is from")


def _part(root: Path, archive: Archive) -> Path:
    return root / f".part-{archive.name}"


def _size(path: Path) -> int:
    return os.stat(path).st_size if path.is_file() else 0  # noqa: PTH116
