"""Training logs."""

from __future__ import annotations

import json
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
    return (20 * len(times), middle, 4 * len(times) / sum(times))


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


FORMATS = (
    Format(
        "metrics.json",
        _VERB,
        _METRICS,
        has(b"iteration"),
        _of_metrics,
        _speed,
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
