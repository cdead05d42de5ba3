"""The bundle of a check: one archive, small enough for a bug report."""

from __future__ import annotations

import io
import json
import tarfile
import traceback
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from detbench.errors import DetbenchError
from detbench.records.store import LOG, RECORD, Run
from detbench.reporting.measurements import Runs
from detbench.reporting.page import build
from detbench.reporting.tables import render

MOST_BYTES = 16 << 20
"""The most that a bundle may have, compressed."""

_MARGIN = 256 << 10  # for the archive's own headers
_WEIGHTS = ".pth"
_LEFT_OUT = "left_out.txt"


def write(
    stream: BinaryIO,
    verdicts: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    runs: Sequence[Run],
    made: datetime,
) -> list[str]:
    """Write the archive: verdicts, tables, the report page, and the runs without their weights.

    What would make it larger than `MOST_BYTES` is left out, the largest measurements first.

    Returns:
        A line for each file that was left out; the archive has them in `left_out.txt`.
    """
    left = MOST_BYTES - _MARGIN
    left_out: list[str] = []
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, data in _files(verdicts, tables, runs, made):
            size = len(zlib.compress(data))
            if size > left:
                left_out.append(f"{name}: {size / 2**20:.1f} MiB")
                continue
            left -= size
            _add(archive, name, data, made)
        if left_out:
            _add(archive, _LEFT_OUT, ("\n".join(left_out) + "\n").encode(), made)
    return left_out


def _files(
    verdicts: pd.DataFrame, tables: Mapping[str, pd.DataFrame], runs: Sequence[Run], made: datetime
) -> Iterator[tuple[str, bytes]]:
    """The content of the bundle: what is small and what says most comes first."""
    yield "verdicts.md", _text(render(verdicts, "md", title="Verdicts"))
    yield "verdicts.json", _text(json.dumps(verdicts.to_dict("records"), indent=2))
    for title, table in tables.items():
        name = title.lower().replace(" ", "_")
        yield f"tables/{name}.md", _text(render(table, "md", title=title))
        yield f"tables/{name}.csv", _text(table.to_csv(index=False))
    for folder, _ in runs:
        for name in (RECORD, LOG):
            if (folder / name).is_file():
                yield _place(folder, folder / name), (folder / name).read_bytes()
    try:
        page = build(Runs(runs), (), Path(), made)
    except Exception as error:  # packages that are not everywhere; figures as never seen before
        if not isinstance(error, DetbenchError):
            traceback.print_exc()
        yield "no_report.txt", _text(f"{type(error).__name__}: {error}")
    else:
        yield "report.html", page.encode("utf-8", "backslashreplace")
    measured = [
        (folder, folder / each.path)
        for folder, record in runs
        for each in record.measurements
        if each.path not in (RECORD, LOG) and not each.path.endswith(_WEIGHTS)
    ]
    for folder, file in sorted(measured, key=lambda item: item[1].stat().st_size):
        yield _place(folder, file), file.read_bytes()


def _place(folder: Path, file: Path) -> str:
    return f"runs/{folder.name}/{file.relative_to(folder)}"


def _text(text: str) -> bytes:
    return (text.rstrip("\n") + "\n").encode("utf-8", "backslashreplace")


def _add(archive: tarfile.TarFile, name: str, data: bytes, made: datetime) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = len(data), int(made.timestamp())
    archive.addfile(entry, io.BytesIO(data))
