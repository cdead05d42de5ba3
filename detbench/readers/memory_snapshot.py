"""Snapshots of PyTorch's CUDA allocator: `torch.cuda.memory._dump_snapshot("FILE.pickle")`.

A pickle of `segments` (what the allocator holds at the end, block by block) and, where
`_record_memory_history` was on, of `device_traces` (what happened before, event by event). The
sizes of events are those that tensors requested; blocks have that and their own, rounded size.
Memory counts from `alloc` to `free_completed`. What was held before the recording is what is there
at the end less what the events add up to (torch.cuda._memory_viz, PyTorch 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.memory_csv import SCHEMA as PARTS
from detbench.readers.memory_curve import UNATTRIBUTED
from detbench.readers.schema import Column, Schema
from detbench.readers.snapshot_pickle import AGAIN, Block, Content, Event, read_content

TENSORS = "tensors"
BEFORE = "(before the recording)"
_NO_LINE = "(no line of Python)"
SCHEMA = Schema(
    (
        Column("device", "str", "GPU number"),
        Column("event", "Int64", "number of the event, from 1; missing if none was recorded"),
        Column("time (s)", "float64", "since the first event; NaN if events have no times"),
        Column("requested (bytes)", "int64", "what tensors had requested and not freed, then"),
        Column("reserved (bytes)", "int64", "what the allocator had from the driver, then"),
    )
)
"""The timeline: one row per event; without events one row for the end."""
ALLOCATOR = Schema(
    (
        Column("device", "str", "GPU number"),
        Column(
            "peak (bytes)", "Int64", "the most that tensors had requested; missing without events"
        ),
        Column("peak event", "Int64", "the event after which it was reached, counted from 1"),
        Column("peak time (s)", "float64", "since the first event; NaN if events have no times"),
        Column("before (bytes)", "Int64", "of the peak: held since before the recording"),
        Column("reserved at peak (bytes)", "Int64", "what the allocator had from the driver then"),
        Column("requested at end (bytes)", "int64", "what tensors had requested at the end"),
        Column("active at end (bytes)", "int64", "the rounded sizes of their blocks"),
        Column("reserved at end (bytes)", "int64", "what the allocator had from the driver"),
        Column("events", "int64", "recorded events"),
        Column("out of memory", "Int64", "events that are an out-of-memory error"),
        Column("note", "str", "what a reader of the row has to know; empty if nothing"),
    )
)
"""One row per GPU."""

_CHANGES = {"alloc": 1, "free_completed": -1}
_RESERVES = {"segment_alloc": 1, "segment_map": 1, "segment_free": -1, "segment_unmap": -1}
_OTHERS = ("free_requested", "snapshot", "oom", "user_defined")  # they change no level
_KNOWN = frozenset((*_CHANGES, *_RESERVES, *_OTHERS))
_UNRECORDED = (
    "no event was recorded, so the peak is unknown: torch.cuda.memory._record_memory_history()"
    " before the training records them"
)
_MOST_NAMED = 3  # actions in a note


class Snapshot(NamedTuple):
    """The tables of a snapshot.

    Attributes:
        parts: the requested memory at the peak and at the end, by the line that allocated it; rows
            of `memory_csv.SCHEMA`.
        allocator: rows of `ALLOCATOR`.
        events: rows of `SCHEMA`.
    """

    parts: pd.DataFrame
    allocator: pd.DataFrame
    events: pd.DataFrame


def read_snapshot(path: Path) -> Snapshot:
    """Read a snapshot.

    Raises:
        BadFileError: it is not a snapshot, is damaged, or holds no memory.
    """
    found = read_content(path)
    devices = sorted(
        {segment.device for segment in found.segments}
        | {number for number, events in enumerate(found.device_traces) if events}
    )
    if not devices:
        raise BadFileError(path, "a snapshot without any memory of a GPU", AGAIN)
    told = [
        _of_device(path, number, found, f"GPU {number}, " if len(devices) > 1 else "")
        for number in devices
    ]
    parts, rows, events = zip(*told, strict=True)
    return Snapshot(
        pd.concat(parts, ignore_index=True),
        ALLOCATOR.table({c.name: [row[c.name] for row in rows] for c in ALLOCATOR.columns}),
        pd.concat(events, ignore_index=True),
    )


def _of_device(
    path: Path, number: int, found: Content, prefix: str
) -> tuple[pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """The parts, the row of the allocator and the events of one device."""
    segments = [segment for segment in found.segments if segment.device == number]
    events = found.device_traces[number] if 0 <= number < len(found.device_traces) else []
    live = [b for s in segments for b in s.blocks if b.state.startswith("active")]
    active = sum(segment.active_size for segment in segments)
    if active != sum(block.size for block in live):
        raise BadFileError(path, f"GPU {number}: its blocks do not add up to what is active", AGAIN)
    at_end = sum(_requested(block) for block in live)
    reserved_at_end = sum(segment.total_size for segment in segments)
    requested = _levels(events, _CHANGES, at_end)
    reserved = _levels(events, _RESERVES, reserved_at_end)
    if requested.min() < 0 or reserved.min() < 0:
        raise BadFileError(path, f"GPU {number}: more memory freed than there was", AGAIN)
    peak = int(requested.argmax())  # 0: before the first event
    seconds = _seconds(events)
    held = _held(events[:peak])
    before = int(requested[peak]) - sum(event.size for event in held)
    if before < 0:
        raise BadFileError(path, f"GPU {number}: its events and its blocks disagree", AGAIN)
    # The recording is of all GPUs: one without events kept what it had.
    is_recorded = any(found.device_traces)
    recorded = {event.addr for event in _held(events)}
    moment = f"at event {peak} of {len(events)}" if peak else "before the first event"
    if peak and not np.isnan(seconds[peak - 1]):
        moment += f", {seconds[peak - 1]:.6g} s after the first"
    rest = int(reserved[peak] - requested[peak])
    at_peak = _by_frame((_label(event.frames), event.size) for event in held)
    parts = [
        *(_rows(f"{prefix}{moment}", at_peak | {BEFORE: before}, rest, 0) if is_recorded else ()),
        *_rows(
            f"{prefix}at the end",
            _by_frame(
                (
                    _label(
                        b.frames, BEFORE if is_recorded and b.address not in recorded else _NO_LINE
                    ),
                    _requested(b),
                )
                for b in live
            ),
            reserved_at_end - active,
            active - at_end,
        ),
    ]
    names = [column.name for column in PARTS.columns]
    row = {
        "device": str(number),
        "peak (bytes)": int(requested[peak]) if is_recorded else pd.NA,
        "peak event": peak or pd.NA,
        "peak time (s)": seconds[peak - 1] if peak else float("nan"),
        "before (bytes)": before if is_recorded else pd.NA,
        "reserved at peak (bytes)": int(reserved[peak]) if is_recorded else pd.NA,
        "requested at end (bytes)": at_end,
        "active at end (bytes)": active,
        "reserved at end (bytes)": reserved_at_end,
        "events": len(events),
        "out of memory": sum(e.action == "oom" for e in events) if is_recorded else pd.NA,
        "note": _unknown(events) if is_recorded else _UNRECORDED,
    }
    return (
        PARTS.table(dict(zip(names, zip(*parts, strict=True), strict=True))),
        row,
        SCHEMA.table(
            {
                "device": [str(number)] * max(1, len(events)),
                "event": range(1, len(events) + 1) if events else [pd.NA],
                "time (s)": seconds if events else [float("nan")],
                "requested (bytes)": requested[1:] if events else requested,
                "reserved (bytes)": reserved[1:] if events else reserved,
            }
        ),
    )


def _unknown(events: list[Event]) -> str:
    """A note on events of which nothing is known; empty if there are none."""
    actions = [event.action for event in events if event.action not in _KNOWN]
    if not actions:
        return ""
    names = [repr(name[:40]) for name in dict.fromkeys(actions)]
    more = ", ..." if len(names) > _MOST_NAMED else ""
    return (
        f"{len(actions):,} of {len(events):,} events have an unknown action"
        f" ({', '.join(names[:_MOST_NAMED])}{more}) and are not counted in the peak"
    )


def _requested(block: Block) -> int:
    return block.size if block.requested_size is None else block.requested_size


def _levels(events: list[Event], signs: dict[str, int], at_end: int) -> npt.NDArray[np.int64]:
    """A level before the first event and after each one, from what it is at the end."""
    changes = [signs.get(event.action, 0) * event.size for event in events]
    sums: npt.NDArray[np.int64] = np.cumsum([0, *changes], dtype=np.int64)
    sums += at_end - sums[-1]
    return sums


def _seconds(events: list[Event]) -> list[float]:
    """The times of events since the first one; NaN where they have none."""
    times = [event.time_us for event in events]
    first = next((time for time in times if time is not None), 0)
    return [float("nan") if time is None else (time - first) / 1e6 for time in times]


def _held(events: list[Event]) -> Iterable[Event]:
    """The allocations among the events that they do not free."""
    held: dict[int, Event] = {}
    for event in events:
        if event.action == "alloc":
            held[event.addr] = event
        elif event.action == "free_completed":
            held.pop(event.addr, None)
    return held.values()


def _rows(
    phase: str, tensors: dict[str, int], unused: int, rounding: int
) -> Iterator[tuple[Any, str, str, str, int]]:
    """The parts of a moment: iteration, phase, category, module, bytes."""
    for frame, size in tensors.items():
        if size:
            yield pd.NA, phase, TENSORS, frame, size
    # Never missing, so that a moment without any memory is one, too.
    yield pd.NA, phase, UNATTRIBUTED, "(reserved, not requested)", unused
    if rounding:
        yield pd.NA, phase, UNATTRIBUTED, "(rounding of blocks)", rounding


def _by_frame(sizes: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Sums by the line of the program that allocated."""
    found: dict[str, int] = {}
    for label, size in sizes:
        found[label] = found.get(label, 0) + size
    return found


def _label(frames: list[Any], without: str = _NO_LINE) -> str:
    """The innermost line of Python outside of installed packages; else the innermost of Python.

    `without` is the label where there is none.
    """
    told = [frame for frame in frames if isinstance(frame, dict)]
    lines = [frame for frame in told if str(frame.get("filename")).endswith(".py")]
    own = [frame for frame in lines if "site-packages" not in str(frame["filename"])]
    chosen = next(iter(own or lines), None)
    if chosen is None:
        return without
    name = PurePosixPath(str(chosen["filename"]).replace("\\", "/")).name
    return f"{name}:{chosen.get('line')} {chosen.get('name')}"
