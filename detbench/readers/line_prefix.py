"""What launchers, log collectors and people put before every line of a program's output."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from detbench.readers.rewindable import Rewindable

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
        elif _is_same(own, prefix):
            yield line[len(own) :]
        elif _shape(own) == shape:
            yield "\n"
        else:
            yield line


def common_prefix(head: str) -> str:
    """What stands before every line of a file that begins with `head`; empty if nothing does.

    The last line, and what a progress bar writes behind a carriage return, need not have it.
    """
    lines = head.split("\n")
    lines = [line for line in lines[:-1] if line.strip()] or lines
    prefix = _own(lines[0])
    return prefix if prefix and all(_is_same(_own(line), prefix) for line in lines) else ""


class Unprefixed(Rewindable):
    """Text in UTF-8 without the prefix of its lines; a line with another one stays as it is."""

    def __init__(self, lines: TextIO, prefix: str) -> None:
        super().__init__(lines)
        self._prefix = prefix

    def readinto(self, buffer: Any) -> int:
        """At most a line."""
        while not self._held:
            if not (line := self._source.readline()):
                return 0
            own = _own(line)
            text = line.rstrip("\r\n")
            is_cut = bool(own) and _is_same(own, self._prefix)
            self._held = (text[len(own) :] + line[len(text) :] if is_cut else line).encode()
        given = self._held[: len(buffer)]
        buffer[: len(given)] = given
        self._held = self._held[len(given) :]
        self._at += len(given)
        return len(given)


def _own(line: str) -> str:
    """The prefix of a line; of an empty one it may have lost its last blank."""
    return prefix_of(line.rstrip("\r\n") + " ")


def _is_same(prefix: str, other: str) -> bool:
    """Whether two prefixes are of one process; times may differ."""
    return prefix.strip() == other.strip() or (_is_time(prefix) and _is_time(other))


def _shape(prefix: str) -> str:
    return re.sub(r"\d+", "0", prefix.strip())


def _is_time(prefix: str) -> bool:
    return bool(re.match(r"\s*\d{4}-", prefix))
