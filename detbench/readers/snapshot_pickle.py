"""The pickle of a snapshot of PyTorch's CUDA allocator, read without running code in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from detbench.errors import BadFileError
from detbench.readers import plain_pickle
from detbench.readers.text import open_bytes

AGAIN = (
    "copy it again, or have it written again: torch.cuda.memory._record_memory_history(), the"
    " training, then torch.cuda.memory._dump_snapshot('FILE.pickle')"
)

_Size = Annotated[int, msgspec.Meta(ge=0, le=1 << 50)]
_Time = Annotated[int, msgspec.Meta(ge=-(1 << 62), le=1 << 62)]


class Event(msgspec.Struct):
    """What happened, when, to which address."""

    action: str
    size: _Size = 0
    addr: int = 0
    time_us: _Time | None = None
    frames: list[Any] = []


class Block(msgspec.Struct):
    """A piece of a segment; its state is `active_allocated`, `inactive` and the like."""

    size: _Size
    state: str
    requested_size: _Size | None = None
    address: int = 0
    frames: list[Any] = []


class Segment(msgspec.Struct):
    """What the allocator has from the driver in one piece."""

    total_size: _Size
    active_size: _Size
    blocks: list[Block]
    device: int = 0


class Content(msgspec.Struct):
    """What a snapshot holds: the end, and the events by GPU number."""

    segments: list[Segment]
    device_traces: list[list[Event]] = []


def is_snapshot(head: bytes) -> bool:
    """Whether a file that begins with `head` is a pickle."""
    return head.startswith(plain_pickle.PROTOCOL)


def read_content(path: Path) -> Content:
    """What a snapshot holds.

    Raises:
        BadFileError: it is not a snapshot, or is damaged.
    """
    with open_bytes(path) as stream:
        content = stream.read()
    try:
        return msgspec.convert(_with_segments(plain_pickle.load_plain(content)), Content)
    except (plain_pickle.NotPlainError, msgspec.ValidationError, RecursionError) as error:
        raise BadFileError(
            path, f"not a memory snapshot of torch.cuda.memory._dump_snapshot: {error}", AGAIN
        ) from error


def _with_segments(loaded: Any) -> Any:
    """A snapshot; torch.cuda.memory.memory_snapshot() returns the list of its segments alone."""
    is_list = isinstance(loaded, list) and loaded
    if is_list and all(isinstance(each, dict) and "blocks" in each for each in loaded):
        return {"segments": loaded}
    return loaded
