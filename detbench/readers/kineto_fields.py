"""What the fields of a trace's event say: its place, its process, its launch, its estimates."""

from __future__ import annotations

from typing import Any

from detbench.readers.kineto_events import Arguments, Event

NONE = float("nan")
LIMIT = 1 << 62
"""In ns; no time since an epoch is larger."""
Key = tuple[Any, ...]
_NO_ARGUMENTS = Arguments()


def place_key(event: Event) -> tuple[Key, int]:
    """Where a GPU activity ran (device, context, pid, rank), and its stream."""
    arguments = event.args if isinstance(event.args, Arguments) else _NO_ARGUMENTS
    stream = arguments.stream
    key = (arguments.device, arguments.context, event.pid, arguments.rank)
    return key, integer(event.tid if stream is None else stream)


def owner_key(event: Event) -> Key:
    """What an event of the CPU says about its process: pid, rank."""
    arguments = event.args
    return event.pid, arguments.rank if isinstance(arguments, Arguments) else None


def code_of(known: dict[Key, int], key: Key, part: int) -> int:
    """The number of a key in a part of the file; a new one gets a new number."""
    try:
        return known.setdefault((*key, part), len(known))
    except TypeError:  # a list where a number should be
        return known.setdefault((*map(str, key), part), len(known))


def estimates_of(event: Event) -> tuple[float, float]:
    """Blocks per multiprocessor and occupancy; NaN for an impossible or missing value."""
    arguments = event.args
    if not isinstance(arguments, Arguments):
        return NONE, NONE
    blocks, occupancy = arguments.blocks_per_sm, arguments.occupancy
    return (
        blocks if isinstance(blocks, float) and 0 < blocks < LIMIT else NONE,
        occupancy if isinstance(occupancy, float) and 0 <= occupancy <= 100 else NONE,
    )


def correlation_of(event: Event) -> int:
    """The number that an activity shares with the call that launched it; -1 without one."""
    arguments = event.args
    if not isinstance(arguments, Arguments) or arguments.correlation is None:
        return -1
    return integer(arguments.correlation)


def integer(value: Any) -> int:
    """A stream or thread written as a number, as a string, or as `stream 7`; else -1."""
    if type(value) is int:
        return value if -LIMIT < value < LIMIT else -1
    try:
        number = int(str(value).split()[-1])
    except (ValueError, IndexError):
        return -1
    return number if -LIMIT < number < LIMIT else -1
