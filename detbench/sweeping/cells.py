"""The state of a cell in the results folder, from the newest run that decides it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from detbench.records.spec import RunRecord, RunSpec
from detbench.records.store import RECORD, Run, read_record
from detbench.sweeping.search import CellState

_DECIDED: Final = ("ok", "oom", "host_oom")
_ENDED: Final = (*_DECIDED, "timeout", "failed")
_LIMITS: Final = ("memory", "cpus")


def measured(
    root: Path, spec: RunSpec, limits: Mapping[str, Any], *, since: datetime, again: bool
) -> CellState | None:
    """The state from the newest run of this spec under these limits; None if there is none.

    A run that succeeded or ran out of memory counts however old it is, unless `again`. One that
    failed or timed out counts only if it ended after `since`: its cause may have gone.
    """
    pattern = f"{spec.gpu_profile}/{spec.model}_bs{spec.batch_size}_{spec.mode}_*/{RECORD}"
    digest = spec.digest()
    found = [Run(file.parent, read_record(file)) for file in root.glob(pattern)]
    counting = [
        run
        for run in found
        if run.record.spec.digest() == digest
        and _same_limits(run.record.environment.get("limits", {}), limits)
        and run.record.status
        in (_ENDED if run.record.ended >= since else () if again else _DECIDED)
    ]
    if not counting:
        return None
    return as_state(*max(counting, key=lambda run: run.record.ended))


def as_state(folder: Path, record: RunRecord) -> CellState:
    """A finished run as a cell of the matrix.

    Its peak is the memory that the allocator reserved on the GPU; on a CPU, the resident memory.
    """
    assert record.status != "interrupted"
    memory = record.memory or {}
    return CellState(
        status="fits" if record.status == "ok" else record.status,
        source="measured",
        cause=record.cause or "; ".join(record.notes),
        run=str(folder),
        images_per_second=record.throughput.images_per_second if record.throughput else None,
        peak_bytes=memory.get("reserved peak", memory.get("resident peak")),
        seconds=(record.ended - record.started).total_seconds(),
    )


def _same_limits(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(name) == other.get(name) for name in _LIMITS)
