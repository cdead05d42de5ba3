"""Sizes of memory, read as `900m` and written as `900MiB`."""

from __future__ import annotations

import re

from detbench.errors import UsageError

_FACTORS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[bkmg]?)")
_NAMES = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1))


def bytes_of(text: str) -> int:
    """The bytes of a size as Docker reads it: `900m`, `1.5g`; units are powers of 1024.

    Raises:
        UsageError: the text is not a size.
    """
    found = _SIZE.fullmatch(text.strip().lower())
    size = int(float(found["number"]) * _FACTORS[found["unit"]]) if found else 0
    if size < 1:
        raise UsageError(f"'{text}' is not an amount of memory", "such as 900m or 1.5g")
    return size


def size_name(size: int) -> str:
    """The size in its largest whole unit: `900MiB`, `1GiB`."""
    unit, factor = next((u, f) for u, f in _NAMES if size % f == 0)
    return f"{size // factor}{unit}"
