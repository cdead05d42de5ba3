"""What launchers, log collectors and people put before every line of a program's output."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_PREFIX = re.compile(
    r"\s*(?:"
    r"\(\w+ pid=\d+(?:, ip=[\w.:-]+)?\)\s?"  # Ray
    r"|\[(?:default|rank|trainer)\d+\]:\s?"  # torchrun
    r"|\[\d+,\d+\]<std(?:out|err)>:\s?"  # mpirun --tag-output
    r"|\d{1,5}: "  # srun --label
    r"|[\w.-]+\s+\| "  # docker compose
    r"|\d{4}-\d\d-\d\dT[\d:.,]+(?:Z|[+-]\d\d:?\d\d) (?:std(?:out|err) [FP] )?"  # containers, CI
    r"|(?:#|//|>)\s"  # pasted as a comment or a quotation
    r")"
)


def prefix_of(line: str) -> str:
    """What stands before a line of a program's output; empty if nothing known does."""
    found = _PREFIX.match(line)
    return found[0] if found else ""


def without(lines: Iterable[str], prefix: str) -> Iterator[str]:
    """The lines without `prefix`, that of a line among them.

    Lines of other processes, whose prefix is of the same kind, come as empty ones; a line with
    none comes as it is. Times may differ from line to line.
    """
    shape = _shape(prefix)
    for line in lines:
        own = prefix_of(line)
        if not own:
            yield line
        elif own.strip() == prefix.strip() or (_is_time(own) and _is_time(prefix)):
            yield line[len(own) :]
        elif _shape(own) == shape:
            yield "\n"
        else:
            yield line


def _shape(prefix: str) -> str:
    return re.sub(r"\d+", "0", prefix.strip())


def _is_time(prefix: str) -> bool:
    return bool(re.match(r"\s*\d{4}-", prefix))
