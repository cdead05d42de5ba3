"""Throughput from the reports in a training's log."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class LogThroughput:
    """Speed after the warm-up, as far as the log has it.

    Attributes:
        iteration_seconds: median over the reports of their typical iteration; None if the log has
            only means.
        images_per_second: images / time of the reported iterations; None if the batch size is
            unknown.
        data_wait_percent: share of that time spent waiting for data; None if not reported.
    """

    num_iterations: int
    first_iteration: int
    last_iteration: int
    iteration_seconds: float | None
    images_per_second: float | None
    data_wait_percent: float | None


def throughput(reports: pd.DataFrame, batch_size: int | None, warmup: int) -> LogThroughput:
    """Throughput over the reports without any of the first `warmup` iterations of a process.

    Raises:
        ValueError: there is no such report.
    """
    measured = reports[reports["since start"] - reports["iterations"] >= warmup]
    if measured.empty:
        last = int(reports["iteration"].max())
        raise ValueError(f"its last report is of iteration {last}, inside the warm-up of {warmup}")
    num, seconds = int(measured["iterations"].sum()), float(measured["time (s)"].sum())
    typical, waits = measured["typical (s)"], measured["data wait (s)"]
    first = measured["iteration"] - measured["iterations"] + 1
    return LogThroughput(
        num_iterations=num,
        first_iteration=int(first.min()),
        last_iteration=int(measured["iteration"].max()),
        iteration_seconds=None if typical.isna().all() else float(typical.median()),
        # A ratio of sums: the mean of rates would give fast iterations too much weight.
        images_per_second=batch_size * num / seconds if batch_size and seconds > 0 else None,
        data_wait_percent=None if waits.isna().any() else float(100 * waits.sum() / seconds),
    )
