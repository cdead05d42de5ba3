"""mmdetection's log as text: `Epoch [1][50/1000]` (1.x, 2.x), `Epoch(train) [1][50/1000]` (3.x).

The lines of 1.x do not name their logger.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from detbench.errors import BadFileError
from detbench.readers.mmdet_history import Epochs, whole
from detbench.readers.training_history import History, curve_of

_COUNT = r"\d{1,15}"
LINE = re.compile(
    rf"\s*(?:\d{{4}}[-/])?\d\d[-/]\d\d [\d:]{{8}}(?:,\d+)? - (?:\w+ - )?INFO - "
    rf"(?P<by>Epoch|Iter) ?(?:\((?P<mode>train|val)\))?\s*"
    rf"(?:\[(?P<epoch>{_COUNT})\])?\s*\[\s*(?P<inner>{_COUNT})(?:/\s*(?P<length>{_COUNT}))?\]\s"
)
"""A report or an evaluation."""

# A value that is followed by nothing may be cut. Losses come last: without one the line is.
_VALUE = re.compile(r"([\w/.]+): (-?\d+(?:\.\d*)?(?:e[+-]?\d+)?)(?=[\s,])")


def from_text(path: Path, lines: Iterator[str]) -> History:
    """The history in a `*.log`.

    Raises:
        BadFileError: a report holds something that mmdetection never writes.
    """
    history = History(no_wall="the clock of mmdetection's logs is not read")
    epochs = Epochs(history)
    for number, line in enumerate(lines, 1):
        found = LINE.match(line)
        if found is None:
            continue
        try:
            _take(epochs, found, line[found.end() :])
        except (ValueError, KeyError) as error:
            raise BadFileError(
                path,
                f"not a line of mmdetection's log: {error}",
                "copy the file again",
                place=f"line {number}",
            ) from error
    return history


def _take(epochs: Epochs, found: re.Match[str], rest: str) -> None:
    values = {name: float(value) for name, value in _VALUE.findall(rest)}
    inner, length = whole(found.groupdict(), "inner"), found["length"]
    is_epochs = found["by"] == "Epoch"
    if found["mode"] == "val":
        # Of a run by epochs the evaluation names its epoch, and its place in the val split.
        epochs.evaluation(values)
    elif "time" in values and length is not None and curve_of(values).keys() - {"lr"}:
        if is_epochs and found["epoch"] is not None:
            at = epochs.iteration(whole(found.groupdict(), "epoch"), inner, int(length))
        else:
            at = inner - 1
        epochs.report(at, inner, values, curve_of(values))
