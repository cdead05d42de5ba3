"""The failed runs: their causes and the ends of their logs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

from detbench.records.spec import RunRecord
from detbench.records.store import LOG, RECORD
from detbench.reporting.labels import labels, several
from detbench.reporting.measurements import Runs
from detbench.reporting.parts import Basis, Block, Exhibit, LeftOut, Section

_TITLE = "Failed runs"
_LINES, _LONGEST = 20, 400  # last lines of a log, and characters per line
_TAIL_BYTES = 64 << 10


def failures(runs: Runs) -> Section | LeftOut:
    """One row per run that is not ok, newest first, and the last lines of its log."""
    failed = [(f, r) for f, r in runs.items if r.status != "ok"][::-1]
    if not failed:
        return LeftOut(_TITLE, f"none: {several(len(runs.items), 'run')} succeeded")
    names = labels([record for _, record in failed])
    table = pd.DataFrame(
        {
            "run": name,
            "GPU profile": record.spec.gpu_profile,
            "status": record.status,
            "cause": record.cause,
            "exit code": record.exit_code,
            "folder": folder.name,
        }
        for name, (folder, record) in zip(names, failed, strict=True)
    ).astype({"exit code": "Int64"})
    statuses = Counter(record.status for _, record in failed)
    exhibit = Exhibit(
        "By run",
        table,
        Basis(
            "each run, up to its end",
            f"{several(len(runs.items), 'run')} in all",
            ", ".join(f"{number} {status}" for status, number in statuses.items()),
        ),
        sources=[folder / RECORD for folder, _ in failed],
    )
    blocks = [
        _block(name, folder, record) for name, (folder, record) in zip(names, failed, strict=True)
    ]
    return Section(_TITLE, [exhibit], blocks)


def _block(name: str, folder: Path, record: RunRecord) -> Block:
    log = folder / LOG
    title = f"{name}: {record.status}"
    try:
        lines = _last_lines(log)
    except OSError as error:
        return Block(title, [], [record.cause, f"no log: {error.strerror}"])
    return Block(title, lines, [record.cause, f"The last {len(lines)} lines of its log:"], log)


def _last_lines(log: Path) -> list[str]:
    with log.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _TAIL_BYTES))
        lines = stream.read().decode("utf-8", "replace").splitlines()
    return [
        line if len(line) <= _LONGEST else f"{line[:_LONGEST]} … ({len(line)} characters)"
        for line in lines[-_LINES:]
    ]
