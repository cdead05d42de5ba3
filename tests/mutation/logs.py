"""Training logs."""

from __future__ import annotations

import json
import re
from typing import Any

from tests import builders
from tests.mutation.form import Format, has
from tests.mutation.outcome import Rows

_VERB = ("throughput-util", "--warmup", "0", "--batch-size", "4")
_METRICS = "".join(
    json.dumps({"iteration": i, "time": t, "data_time": 0.1, "total_loss": 1.0}) + "\n"
    for i, t in ((19, 1.0), (39, 0.5), (59, 1.5), (79, 0.75))
).encode()


def _of_metrics(lines: list[bytes]) -> Any:
    reports = {e["iteration"]: e["time"] for e in map(json.loads, lines)}
    times = sorted(reports.values())
    if not times:
        return None
    middle = (times[(len(times) - 1) // 2] + times[len(times) // 2]) / 2
    return (20 * len(times), middle, 4 / middle)


def _median_speed(rows: Rows) -> Any:
    (row,) = rows
    assert row["images/s"] is None
    return (row["iterations"], row["s / iteration (median)"], row["images/s (median)"])


def _speed(rows: Rows) -> Any:
    (row,) = rows
    return (row["iterations"], row["s / iteration (median)"], row["images/s"])


_LOG = builders.DETECTRON2_LOG + (
    "[11/24 10:02:10 d2.utils.events]:  eta: 0:01:07  iter: 59  total_loss: 1.2    time: 0.2500  "
    "last_time: 0.31  data_time: 0.0070  last_data_time: 0.0065   lr: 0.0156  max_mem: 3000M\n"
)


def _of_log(lines: list[bytes]) -> Any:
    """Means are over all iterations but the first two: the last one says it all."""
    words = [line.split() for line in dict.fromkeys(lines)]
    if not words:
        return None
    last = [float(w[w.index(b"last_time:") + 1]) for w in words]
    last.sort()
    middle = (last[(len(last) - 1) // 2] + last[len(last) // 2]) / 2
    iterations = int(words[-1][words[-1].index(b"iter:") + 1]) + 1 - 2
    mean = float(words[-1][words[-1].index(b"time:") + 1])
    return (iterations, middle, 4 / mean)


def _of_benchmark(lines: list[bytes]) -> Any:
    """Means are over all iterations: the last one says it all."""
    words = [line.split() for line in dict.fromkeys(lines)]
    if not words:
        return None
    middles = sorted(float(w[w.index(b"time:") + 1]) for w in words)
    middle = (middles[(len(middles) - 1) // 2] + middles[len(middles) // 2]) / 2
    mean = float(words[-1][words[-1].index(b"time:") + 2].strip(b"()"))
    return (int(words[-1][words[-1].index(b"iter:") + 1]), middle, 4 / mean)


def _of_mmdet(lines: list[bytes]) -> Any:
    found = [re.search(rb"\[(\d+)/7\].* time: ([\d.]+),", line) for line in dict.fromkeys(lines)]
    return _of_intervals([(int(each[1]), float(each[2])) for each in found if each])


def _of_mmdet_json(lines: list[bytes]) -> Any:
    return _of_intervals([(e["iter"], e["time"]) for e in map(json.loads, dict.fromkeys(lines))])


def _of_intervals(reports: list[tuple[int, float]]) -> Any:
    """A report is the mean since the one before, or since the epoch began."""
    if not reports:
        return None
    starts = [0, *(last for last, _ in reports)]
    seconds = sum((last - start) * t for (last, t), start in zip(reports, starts, strict=False))
    return (reports[-1][0], None, 4 * reports[-1][0] / seconds)


_ONE_EPOCH = "".join(builders.MMDET_LOG.splitlines(keepends=True)[:2]).encode()
_ONE_EPOCH_JSON = "".join(builders.MMDET_JSON.splitlines(keepends=True)[:3]).encode()

_TABLE = (
    b"[01/02 03:04:05 d2.evaluation.coco_evaluation]: Evaluation results for bbox: \n"
    b"|   AP   |  AP50  |\n|:------:|:------:|\n| 37.900 | 58.800 |\n"
)


def _of_table(lines: list[bytes]) -> Any:
    """A row with nothing over it, as the second of two, is no evaluation."""
    return [[float(cell) for cell in lines[0].split(b"|")[1:3]]] if lines else None


def _ap(rows: Rows) -> Any:
    return [[row.get("box AP"), row.get("box AP50")] for row in rows]


FORMATS = (
    Format(
        "detectron2 evaluation",
        ("throughput-util", "--by", "evaluation"),
        _TABLE,
        has(b"37.900"),
        _of_table,
        _ap,
        suffix=".txt",
        leaves_out=True,
        enough=b"58.800 |",
    ),
    Format(
        "maskrcnn-benchmark",
        _VERB,
        builders.MRCNN_BENCHMARK_LOG.encode(),
        has(b" iter: "),
        _of_benchmark,
        _speed,
        suffix=".txt",
        is_ordered=True,
        leaves_out=True,
        enough=b" lr: ",
    ),
    Format(
        "mmdetection",
        _VERB,
        _ONE_EPOCH,
        has(b" time: "),
        _of_mmdet,
        _speed,
        suffix=".log",
        is_ordered=True,
        leaves_out=True,
        enough=b"loss_cls: 1.2,",
    ),
    Format(
        "mmdetection JSON",
        _VERB,
        _ONE_EPOCH_JSON,
        has(b'"time"'),
        _of_mmdet_json,
        _speed,
        suffix=".json",
        is_ordered=True,
        leaves_out=True,
    ),
    Format(
        "metrics.json",
        _VERB,
        _METRICS,
        has(b"iteration"),
        _of_metrics,
        _median_speed,
        suffix=".json",
        is_ordered=True,
        leaves_out=True,
    ),
    Format(
        "log.txt",
        _VERB,
        _LOG.encode(),
        has(b" iter: "),
        _of_log,
        _speed,
        suffix=".txt",
        is_ordered=True,
        leaves_out=True,
        enough=b" lr: ",
    ),
)
