"""Checks that the files of runs are unchanged, by their stored sha256."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from detbench.errors import BadFileError
from detbench.hashing import sha256_of
from detbench.records.spec import Measurement
from detbench.records.store import read_record, record_files


@dataclass(frozen=True)
class Checked:
    """A file of a run; `problem` is empty if it is unchanged."""

    path: Path
    problem: str


def check(root: Path) -> Iterator[Checked]:
    """Check every record under `root`, and every measurement that it lists."""
    for file in record_files(root):
        try:
            record = read_record(file)
        except BadFileError as error:
            yield Checked(file, error.message.removeprefix(f"{file}").lstrip(",: "))
            continue
        yield Checked(file, "")
        for measurement in record.measurements:
            path = file.parent / measurement.path
            yield Checked(path, _problem(path, measurement))


def _problem(path: Path, left: Measurement) -> str:
    try:
        size = path.stat().st_size
        if size != left.bytes:
            return f"it has {size} bytes, not the {left.bytes} that its run wrote"
        return "" if sha256_of(path) == left.sha256 else "its content has changed since its run"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
