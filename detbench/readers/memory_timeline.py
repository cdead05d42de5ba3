"""torch's memory timeline, raw: `prof.export_memory_timeline("FILE.raw.json.gz")`.

A list of `[time in ns, action, bytes, category]`. Bytes are negative when memory is freed or moves
to another category. Memory allocated before the recording has the time -1.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.memory_csv import SCHEMA
from detbench.readers.numbers import impossible
from detbench.readers.text import encoding_of, open_bytes

# Our words for the categories, in the order of _CATEGORY_TO_INDEX in
# torch.profiler._memory_profiler (not of its enum); a tensor that torch could not classify is last.
_CATEGORIES = (
    "weights",
    "optimizer state",
    "inputs",
    "temporary",
    "activations",
    "gradients",
    "autograd detail",
    "unattributed",
)
_MOST = 1 << 50  # bytes, a petabyte, so that sums fit in int64
_UNREADABLE = (
    UnicodeError, msgspec.DecodeError, RecursionError, OverflowError,
)  # fmt: skip
_AGAIN = "copy it again, or have it exported again: prof.export_memory_timeline('FILE.raw.json.gz')"


def is_memory_timeline(head: bytes) -> bool:
    """Whether a file that begins with `head` could be one: a JSON list."""
    return head.decode(encoding_of(head), "replace").lstrip().startswith("[")


def read_memory_timeline(path: Path) -> pd.DataFrame:
    """Read the parts at the peak: the moment when the sum of the categories was largest.

    Raises:
        BadFileError: it is not such a file, is truncated, or holds no event.
    """
    with open_bytes(path) as stream:
        text = stream.read()
    try:
        events = msgspec.json.decode(
            text.decode(encoding_of(text)), type=list[tuple[int, int, int, int]]
        )
        time, _, size, category = np.array(events, np.int64).reshape(-1, 4).T
    except _UNREADABLE as error:
        raise BadFileError(path, f"not a raw memory timeline of torch: {error}", _AGAIN) from error
    if not events:
        raise BadFileError(path, "no event in it", _AGAIN)
    if (large := (size > _MOST) | (size < -_MOST)).any():
        place = f"event {int(large.argmax())}"
        raise BadFileError(path, "an impossible number of bytes", _AGAIN, place=place)
    if (late := impossible(time, time)).any():
        place = f"event {int(late.argmax())}"
        raise BadFileError(path, "an impossible time", _AGAIN, place=place)
    if not np.isin(category, range(len(_CATEGORIES))).all():
        raise BadFileError(path, "an event has a category that torch does not know", _AGAIN)
    for index in range(len(_CATEGORIES)):
        own = np.cumsum(np.where(category == index, size, 0))
        if (own < 0).any():
            place = f"event {int((own < 0).argmax())}"
            raise BadFileError(path, "more memory freed than allocated", _AGAIN, place=place)
    peak = int(np.cumsum(size).argmax())
    held = np.zeros(len(_CATEGORIES), np.int64)
    np.add.at(held, category[: peak + 1], size[: peak + 1])
    during = time[time >= 0]
    after = max(0, int(time[peak] - during[0])) if len(during) else 0
    present = np.flatnonzero(held)
    return SCHEMA.table(
        {
            "iteration": [pd.NA] * len(present),
            "phase": [f"{after / 1e6:.3f} ms after the first event"] * len(present),
            "category": [_CATEGORIES[index] for index in present],
            "module": [""] * len(present),
            "bytes": held[present],
        }
    )
