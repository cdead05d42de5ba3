"""Reports of Nsight Systems (.nsys-rep, .qdrep), which only its own exporter can read."""

from __future__ import annotations

import logging
import mmap
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from detbench.errors import BadFileError, MissingError
from detbench.readers.cupti import read_cupti
from detbench.readers.text import on_disk
from detbench.readers.timeline import Timeline

_log = logging.getLogger(__name__)

_AGAIN = "copy it again, or export it with the version of nsys that recorded it"
# What nsys says of a report by a later version of itself: its words differ from year to year.
_NEWER = re.compile(
    r"newer version|later version|more recent version|future \w*version"
    r"|version[^.]{0,40}(not supported|unsupported|mismatch)|unsupported[^.]{0,40}version",
    re.IGNORECASE,
)
_ERROR = re.compile(r"error|fail|exception|cannot|invalid", re.IGNORECASE)
_RECORDER = re.compile(rb"\b(20\d\d\.\d{1,2}\.\d{1,2}\.\d{1,4})-[0-9a-f]{6,12}v\d")
_FOLDER = re.compile(rb"/nsight-systems(?:-cli)?/(20\d\d\.\d{1,2}\.\d{1,2})/")
_UNKNOWN = re.compile(r"\b(20\d\d)@(\d{1,2})@(\d{1,2})@\d")
_VERSION = re.compile(r"version (\d[\w.]*)")


def read_nsys_report(path: Path, *, launches: bool) -> Timeline:
    """Read a report by way of `nsys export`.

    Raises:
        BadFileError: nsys cannot read it to its end, or it holds no kernel.
        MissingError: nsys is not installed.
    """
    nsys = shutil.which("nsys")
    if nsys is None:
        raise MissingError(
            f"{path} is a report of Nsight Systems, which needs nsys: it is not installed here",
            f"where nsys is installed: nsys export --type sqlite {path}",
        )
    with on_disk(path) as file, tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "export.sqlite"
        command = [nsys, "export", "--type", "sqlite", "--output", str(out), str(file)]
        _log.info("runs %s", shlex.join(command))
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
        # Of a damaged report nsys leaves the part that it could read, with another exit code.
        if done.returncode or not out.is_file():
            words = done.stderr + "\n" + done.stdout
            words = words.replace(str(out), path.name).replace(str(file), path.name)
            raise _refusal(path, nsys, words, done.returncode, _told(words) or _recorder(file))
        try:
            return read_cupti(out, launches=launches)
        except BadFileError as error:
            raise BadFileError(path, error.problem, error.remedy, place=error.place) from error


def _refusal(path: Path, nsys: str, words: str, code: int, recorder: str) -> BadFileError:
    """Why nsys did not export a report, in its own words; `recorder` is the version that wrote it.

    An older nsys often says no more of a newer report than that it cannot parse it.
    """
    said = [line.strip() for line in words.splitlines() if line.strip()]
    version = _version_of(nsys)
    errors = [line for line in said if _ERROR.search(line)] or said
    newer = [line for line in said if _NEWER.search(line)]
    word = (newer[:1] or errors[-1:] or ["nothing"])[0]
    if newer or _numbers(recorder) > _numbers(version) > ():
        own, here = recorder and f" ({recorder})", version and f" ({version})"
        return BadFileError(
            path,
            f"it{own} is newer than the nsys that is installed here{here}, which says: {word}",
            "install the version of nsys that recorded it, or a later one; or export it there:"
            f" nsys export --type sqlite {path.name}",
        )
    told = f" (exit code {code})" if code else ""
    return BadFileError(path, f"nsys export failed{told}: {word}", _AGAIN)


def _told(words: str) -> str:
    """The version that nsys names as one that it does not know: `2024@6@2@225-...`."""
    found = _UNKNOWN.search(words)
    return ".".join(found.groups()) if found else ""


def _recorder(file: Path) -> str:
    """The version of nsys that recorded a report, which is somewhere in it; empty if unknown."""
    with file.open("rb") as stream:
        if not file.stat().st_size:
            return ""
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = _RECORDER.search(content) or _FOLDER.search(content)
            return found[1].decode() if found else ""


def _numbers(version: str) -> tuple[int, ...]:
    """A version for comparing: its first three numbers; () if it is unknown."""
    return tuple(int(part) for part in re.findall(r"\d{1,9}", version)[:3])


def _version_of(nsys: str) -> str:
    try:
        done = subprocess.run(
            [nsys, "--version"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = _VERSION.search(done.stdout)
    return found[1] if found else ""
