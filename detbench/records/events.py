"""Events: lines by which the training process reports its progress to its launcher.

They are part of its ordinary output, so they arrive in the same way from a process, a container
and a Slurm job, unlike a pipe or a socket. The launcher keeps them out of the log.
"""

from __future__ import annotations

import json
import sys
from typing import Any

_PREFIX = "@detbench "


_muted = False


def mute() -> None:
    """Emit nothing from here on; one of several processes reports for all."""
    global _muted
    _muted = True


def emit(event: str, **fields: Any) -> None:
    """Print one event on stdout."""
    if _muted:
        return
    sys.stdout.write(_PREFIX + json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def parse(line: str) -> dict[str, Any] | None:
    """The event in a line of output, or None when it is an ordinary line."""
    if not line.startswith(_PREFIX):
        return None
    try:
        event = json.loads(line[len(_PREFIX) :])
    except ValueError:  # mixed with another thread's print: show it as output
        return None
    return event if isinstance(event, dict) else None
