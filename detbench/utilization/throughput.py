"""Throughput from the reports in a training's log."""

from __future__ import annotations

from dataclasses import dataclass

from detbench.readers.training_log import TrainingLog


@dataclass(frozen=True)
class LogThroughput:
    """Speed after the warm-up, as far as the log has it.

    A log has the time of all iterations, or a typical one of each report; the names here keep the
    two apart, as the mean of a training and its median may differ by half.

    Attributes:
        num_untimed: iterations of the window that no measured report covers.
        mean_seconds: time of the reported iterations / their number; None if the log has medians
            only.
        median_seconds: median over the reports of their typical iteration; None if the log has
            only means.
        images_per_second: images / time of the reported iterations; None if the batch size is
            unknown, or the log has medians only.
        images_per_median_second: images of an iteration / `median_seconds`; None if the log has
            means, or the batch size is unknown.
        data_wait_percent: share of that time spent waiting for data; None if not reported.
        data_wait_median_percent: the same out of the reports' medians.
    """

    num_iterations: int
    num_untimed: int
    first_iteration: int
    last_iteration: int
    mean_seconds: float | None
    median_seconds: float | None
    images_per_second: float | None
    images_per_median_second: float | None
    data_wait_percent: float | None
    data_wait_median_percent: float | None


def throughput(log: TrainingLog, batch_size: int | None, warmup: int) -> LogThroughput:
    """Throughput over the reports without any of the first `warmup` iterations of a process.

    Raises:
        ValueError: there is no such report.
    """
    reports = log.reports
    measured = reports[reports["since start"] - reports["iterations"] >= warmup]
    if measured.empty:
        last = int(reports["iteration"].max())
        raise ValueError(f"its last report is of iteration {last}, inside the warm-up of {warmup}")
    num, seconds = int(measured["iterations"].sum()), float(measured["time (s)"].sum())
    typical, waits = measured["typical (s)"], measured["data wait (s)"]
    first = int((measured["iteration"] - measured["iterations"] + 1).min())
    last = int(measured["iteration"].max())
    median = None if typical.isna().all() else float(typical.median())
    wait = None if waits.isna().any() or seconds <= 0 else float(100 * waits.sum() / seconds)
    # A ratio of sums: the mean of rates would give fast iterations too much weight.
    mean = seconds / num if log.has_means and num else None
    return LogThroughput(
        num_iterations=num,
        num_untimed=max(0, last - first + 1 - num),
        first_iteration=first,
        last_iteration=last,
        mean_seconds=mean,
        median_seconds=median,
        images_per_second=batch_size / mean if batch_size and mean else None,
        images_per_median_second=(
            batch_size / median if batch_size and median and not log.has_means else None
        ),
        data_wait_percent=wait if log.has_means else None,
        data_wait_median_percent=None if log.has_means else wait,
    )
