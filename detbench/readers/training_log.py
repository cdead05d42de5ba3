"""What a training says of itself: detectron2's `metrics.json` and `log.txt`.

Both have a report every 20 iterations, and evaluations. A restart makes the iteration go
backwards; the later report of an iteration counts.
"""

from __future__ import annotations

from pathlib import Path

from detbench.errors import BadFileError
from detbench.readers.detectron2_log import from_log
from detbench.readers.metrics_json import from_metrics
from detbench.readers.text import open_text
from detbench.readers.training_history import TrainingLog, tables


def read_training_log(path: Path) -> TrainingLog:
    """Read a `metrics.json` or a `log.txt`, whichever the content is.

    Raises:
        BadFileError: it is neither, or has neither an iteration's time nor an evaluation.
    """
    with open_text(path) as stream:
        is_json = stream.read(1) == "{"
        stream.seek(0)
        history = (from_metrics if is_json else from_log)(path, stream)
    if history.reports or history.evaluations:
        return tables(history)
    if history.rank or path.name.rpartition(".rank")[2].isdigit():
        raise BadFileError(
            path, "no iteration's time in it: it is of a process that reports none", "give log.txt"
        )
    raise BadFileError(
        path, "no iteration's time in it: not a training log of detectron2 or detbench"
    )
