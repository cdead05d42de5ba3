"""The failures that are worth one more try: those whose cause is outside the training."""

from __future__ import annotations

import re
from typing import NamedTuple

from detbench.records.spec import RunRecord


class _Transient(NamedTuple):
    """A failure that may not recur.

    Attributes:
        words: a pattern that its cause matches.
        why: the reason that another try is worth it.
    """

    words: str
    why: str


# The CUDA ones are the texts of cudaGetErrorString: cudaErrorLaunchFailure (719),
# cudaErrorDevicesUnavailable (46), cudaErrorECCUncorrectable (214).
_TRANSIENT = (
    _Transient(r"Docker's engine went away", "the engine ended it"),
    _Transient(r"killed by signal 9, though not for lack of memory", "somebody killed it"),
    _Transient(r"killed by signal 15 ", "somebody ended it"),
    _Transient(r"unspecified launch failure", "the GPU's context was lost"),
    _Transient(r"busy or unavailable", "another process had the GPU"),
    _Transient(r"uncorrectable ECC error", "the GPU leaves that memory out the next time"),
    _Transient(r"Address already in use", "the processes' port was taken meanwhile"),
)


def why_again(record: RunRecord) -> str:
    """Why a failed run is tried once more; empty if it is not."""
    if record.status != "failed" or "retries" in record.environment:
        return ""
    return next((t.why for t in _TRANSIENT if re.search(t.words, record.cause)), "")
