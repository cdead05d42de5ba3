"""Throughput from a training's own reports."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class LogThroughput:
    """Speed after the warm-up, as far as a log tells it.

    Attributes:
        images_per_second: images over the summed time of the reported iterations; None where
            the batch size is not known.
        data_wait_percent: share of that time spent waiting for data; None where not reported.
    """

    num_reports: int
    first_iteration: int
    last_iteration: int
    iteration_seconds: float
    images_per_second: float | None
    data_wait_percent: float | None


def throughput(reports: pd.DataFrame, batch_size: int | None, warmup: int) -> LogThroughput:
    """Throughput over the reports of iterations from `warmup` on.

    Raises:
        ValueError: no report is that late.
    """
    measured = reports[reports["iteration"] >= warmup]
    if measured.empty:
        last = int(reports["iteration"].max())
        raise ValueError(f"its last report is of iteration {last}, inside the warm-up of {warmup}")
    times = measured["time (s)"]
    waits = measured["data wait (s)"]
    return LogThroughput(
        num_reports=len(measured),
        first_iteration=int(measured["iteration"].min()),
        last_iteration=int(measured["iteration"].max()),
        iteration_seconds=float(times.median()),
        # A ratio of sums: the mean of rates would weigh fast iterations too much.
        images_per_second=batch_size * len(times) / float(times.sum()) if batch_size else None,
        data_wait_percent=None if waits.isna().any() else float(100 * waits.sum() / times.sum()),
    )
