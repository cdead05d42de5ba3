"""What Nsight Compute says in its log besides the table, and how its reports begin."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAGIC = b"NVR\x00"
"""The first bytes of a report, `.ncu-rep`."""

_ERROR = "==ERROR=="
# Programs rule lines of `=` in the same log.
_MESSAGE = re.compile(r"==(?:[A-Z]+|\d+)==\s*\S")


def cause(lines: Iterable[str]) -> str:
    """The message that tells why a log has no table: its first error, else its last message.

    Later errors are consequences: `ERR_NVGPUCTRPERM` is followed by "No kernels were profiled".
    """
    said = [line.strip() for line in lines if _MESSAGE.match(line)]
    first = next((line for line in said if line.startswith(_ERROR)), None)
    return first or (said[-1] if said else "")
