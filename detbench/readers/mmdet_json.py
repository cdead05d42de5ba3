"""mmdetection's log as JSON lines: `*.log.json` (2.x), `scalars.json` (3.x)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from detbench.readers.json_lines import take_entries
from detbench.readers.mmdet_history import Epochs, whole
from detbench.readers.training_history import History, curve_of

HEADER = '{"env_info"'
"""How a log of 2.x begins, whose first line may be long."""


def is_entry(entry: object) -> bool:
    """Whether a line of JSON is mmdetection's, not detectron2's."""
    if not isinstance(entry, dict) or "iteration" in entry or "traceEvents" in entry:
        return False
    by_mode = "mode" in entry and "epoch" in entry  # 2.x
    by_step = "step" in entry and ("time" in entry or "iter" in entry)  # 3.x
    return by_mode or by_step or "env_info" in entry


def from_json(path: Path, lines: Iterator[str]) -> History:
    """The history in a log.

    Raises:
        BadFileError: a line other than the last, which a kill may have cut, is damaged.
    """
    history = History(no_wall="the JSON of mmdetection has no clock")
    reader = _Reader(history)
    take_entries(path, lines, reader.entry)
    if reader.epochs.is_guessed:
        history.notes.append(
            "no epoch's length in it: iterations behind an epoch's last report are not counted"
        )
    return history


class _Reader:
    def __init__(self, history: History) -> None:
        self.epochs = Epochs(history)

    def entry(self, entry: dict[str, Any]) -> None:
        if "env_info" in entry:
            return
        values = {
            key: float(value)
            for key, value in entry.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        is_training = entry["mode"] == "train" if "mode" in entry else "iter" in entry
        if not is_training:
            self.epochs.evaluation(values)
        elif "time" in entry:
            if "step" in entry:  # over the whole run
                inner = whole(entry, "step")
                at = inner - 1
            else:
                inner = whole(entry, "iter")
                at = self.epochs.iteration(whole(entry, "epoch"), inner, None)
            self.epochs.report(at, inner, values, curve_of(values))
