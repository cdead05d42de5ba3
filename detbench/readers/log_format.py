"""Which trainer wrote a log: the first line that only one of them writes decides."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from detbench.readers import (
    detectron2_log,
    metrics_json,
    mmdet_json,
    mmdet_log,
    mrcnn_benchmark_log,
)
from detbench.readers.line_prefix import prefix_of
from detbench.readers.training_history import History

_FEW = 8  # lines of JSON


class LogFormat(NamedTuple):
    """A format: the trainer that writes it, and its reader."""

    tool: str
    read: Callable[[Path, Iterator[str]], History]


METRICS = LogFormat("detectron2 (metrics.json)", metrics_json.from_metrics)
DETECTRON2 = LogFormat("detectron2 (log.txt)", detectron2_log.from_log)
MMDET_JSON = LogFormat("mmdetection (JSON)", mmdet_json.from_json)
_MMDET = LogFormat("mmdetection (log)", mmdet_log.from_text)
_MRCNN_BENCHMARK = LogFormat("maskrcnn-benchmark", mrcnn_benchmark_log.from_log)
# Words that a line has to have, which are found sooner than a pattern, and its pattern.
_TEXTS = (
    ((" - INFO - ",), mmdet_log.LINE.match, _MMDET),
    (("iter: ",), mrcnn_benchmark_log.LINE.search, _MRCNN_BENCHMARK),
    (detectron2_log.WORDS, detectron2_log.LINE.search, DETECTRON2),
)


def of_text(lines: Iterable[str]) -> tuple[LogFormat, str] | None:
    """A log's format, and what stands before its lines; None if no line is a trainer's."""
    for line in lines:
        for words, is_its, found in _TEXTS:
            if any(word in line for word in words):
                prefix = prefix_of(line)
                if is_its(line[len(prefix) :]):
                    return found, prefix
    return None


def of_json(lines: Iterable[str]) -> LogFormat | None:
    """The format of a log of JSON lines; None if it is no trainer's."""
    for line in islice(lines, _FEW):
        if line.startswith(mmdet_json.HEADER):
            return MMDET_JSON
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if mmdet_json.is_entry(entry):
            return MMDET_JSON
        if isinstance(entry, dict) and "traceEvents" not in entry and "iteration" in entry:
            return METRICS
    return None
