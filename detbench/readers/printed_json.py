"""Tables that `nsys stats --format json` prints: lists of objects, one a row, among other lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from detbench.errors import BadFileError
from detbench.readers.nsys_reports import other_report

_BEGIN = re.compile(r"\s*\[\s*(\{\s*(\".*)?)?$")
_ROW = re.compile(r"\s*\[?\s*\{")
_COLUMN = re.compile(r'"(Time ?\(%\)|(Total Time|Start|KAvg) ?\(\w+\)|Kernel Name)"\s*:')
_HEAD = 64 * 1024  # characters in which the first row ends


class Block(NamedTuple):
    """A line that is none of a JSON table, or a whole table: the line and cells of each row."""

    number: int
    line: str
    names: list[str]
    rows: list[tuple[int, list[str]]]


def is_json_table(text: str) -> bool:
    """Whether text begins with a list of rows, and not with one of a trace's events."""
    begun = re.match(r"\ufeff?\s*\[\s*(?=\{)", text)
    if begun is None:
        return False
    try:
        first, _ = json.JSONDecoder().raw_decode(text[:_HEAD], begun.end())
    except (json.JSONDecodeError, RecursionError):
        return bool(_COLUMN.search(text[: 1 << 10])) and '"ph"' not in text[: 1 << 10]
    if "ph" in first or any(isinstance(value, (dict, list)) for value in first.values()):
        return False
    # Any program may write a list of flat objects: nsys's has its columns.
    return bool(_COLUMN.search("".join(f'"{name}":' for name in first)) or other_report([*first]))


def blocks(path: Path, lines: Iterable[str], again: str) -> Iterator[Block]:
    """The lines of a file, with each JSON table in one piece.

    Raises:
        BadFileError: a table is damaged or cut short.
    """
    pending: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        if not pending and not _BEGIN.match(line):
            yield Block(number, line, [], [])
            continue
        pending.append((number, line))
        if len(pending) == 2 and pending[0][1].strip() == "[" and not _ROW.match(line):
            yield from (Block(*each, [], []) for each in pending)
            pending = []
        elif line.rstrip().endswith("]") and (found := _decoded(pending)) is not None:
            yield _table(path, pending, found, again)
            pending = []
    if pending and _COLUMN.search("".join(line for _, line in pending)):
        raise BadFileError(
            path, "the JSON is cut short or damaged", again, place=f"from line {pending[0][0]}"
        )
    yield from (Block(*each, [], []) for each in pending)


def _decoded(pending: list[tuple[int, str]]) -> list[dict[str, Any]] | None:
    """The rows in some lines; None if they are no list of objects, or not yet."""
    text = "".join(line for _, line in pending)
    try:
        found = json.loads(text, parse_float=str, parse_int=str)
    except (json.JSONDecodeError, RecursionError):
        return None
    is_rows = isinstance(found, list) and all(isinstance(row, dict) for row in found)
    return found if is_rows and found else None


def _table(
    path: Path, pending: list[tuple[int, str]], found: list[dict[str, Any]], again: str
) -> Block:
    begun = [number for number, line in pending if _ROW.match(line)]
    places = begun if len(begun) == len(found) else [pending[0][0]] * len(found)
    names = list(found[0])
    for place, row in zip(places, found, strict=True):
        if list(row) != names:
            raise BadFileError(
                path, "the row has other columns than the first", again, place=f"line {place}"
            )
    cells = [["" if cell is None else str(cell) for cell in row.values()] for row in found]
    return Block(pending[0][0], "", names, list(zip(places, cells, strict=True)))
