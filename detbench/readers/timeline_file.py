"""Which reader takes a timeline: the content decides, not the name."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from detbench.errors import BadFileError, MissingError
from detbench.readers import database
from detbench.readers.cupti import read_cupti
from detbench.readers.kernel_sums import is_header, read_kernel_sums
from detbench.readers.kineto import read_kineto
from detbench.readers.nvprof_csv import HEADER, read_nvprof_trace
from detbench.readers.text import encoding_of, open_bytes
from detbench.readers.timeline import KernelSums, Timeline

_HEAD = 1 << 16  # a program may have printed something before nvprof's table
_NSYS_REPORTS = {".nsys-rep", ".qdrep"}


def read_timeline(path: Path) -> Timeline | KernelSums:
    """Read a timeline of the PyTorch profiler, Nsight Systems or nvprof, or a summary of one.

    Raises:
        BadFileError: it is none of them, or damaged.
        MissingError: only `nsys` can read it, and there is none.
    """
    with open_bytes(path) as stream:
        head = stream.read(_HEAD)
    if head.startswith(database.MAGIC):
        return read_cupti(path)
    if head.startswith(b"\x1f\x8b") or head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return read_kineto(path)
    if b"<session" in head:
        raise BadFileError(
            path,
            "a session of the Visual Profiler: it names a program and holds no measurement",
            "nvprof --export-profile writes one that does",
        )
    text = head.decode(encoding_of(head), "replace")
    if HEADER in text:
        return read_nvprof_trace(path)
    if any(is_header(line) for line in text.splitlines()):
        return read_kernel_sums(path)
    if path.suffix in _NSYS_REPORTS:
        return _exported(path)
    raise BadFileError(
        path,
        "the file is empty" if not head else "no timeline that is known here",
        "known: traces of the PyTorch profiler (JSON), exports of Nsight Systems (SQLite), "
        "nvprof's .nvvp and --print-gpu-trace, summaries of both",
    )


def _exported(path: Path) -> Timeline:
    """A report of Nsight Systems, through its own exporter: nothing else reads it."""
    nsys = shutil.which("nsys")
    if nsys is None:
        raise MissingError(
            f"{path} is a report of Nsight Systems, and only nsys reads it: there is none here",
            f"where it is: nsys export --type sqlite {path}",
        )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "export.sqlite"
        command = [nsys, "export", "--type", "sqlite", "--output", str(out), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not out.is_file():
            said = (done.stderr or done.stdout).strip().splitlines()
            raise BadFileError(path, f"nsys export failed: {said[-1] if said else 'no word'}")
        return read_cupti(out)
