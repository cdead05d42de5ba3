"""Logs of one JSON object a line, whose last line a kill may have cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from detbench.errors import BadFileError


def take_entries(path: Path, lines: Iterator[str], take: Callable[[dict[str, Any]], None]) -> None:
    """Hand every object to `take`, which may raise what a damaged entry makes it raise.

    Raises:
        BadFileError: a line other than the last, which a kill may have cut, is damaged.
    """
    pending = ""
    for number, line in enumerate(lines, 1):
        if pending:
            raise BadFileError(path, pending, "copy the file again", place=f"line {number - 1}")
        if not line.strip():
            continue
        try:
            take(json.loads(line))  # orjson refuses the NaN of an AP
        except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
            pending = f"not a line of metrics: {error}"
        except RecursionError:
            pending = "not a line of metrics: nested too deep"
