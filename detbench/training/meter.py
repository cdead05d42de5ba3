"""Times iterations and says how far the training is."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import torch

from detbench.events import emit
from detbench.records import Throughput, Window
from detbench.training.protocol import Hook, Step, Trainer

_COLUMNS = ("iteration", "time (s)", "data wait (s)")


class Meter(Hook):
    """Measures throughput over the window and reports progress.

    An iteration lasts from before its data is asked for until its optimizer step returned.
    The device is synchronised at the window's two edges only: inside it, a queue that runs
    ahead of the device is what training is like.

    Args:
        num_iterations: the training's length, for the progress report.
        batch_size: images an iteration.
    """

    def __init__(
        self, window: Window, num_iterations: int, batch_size: int, device: torch.device
    ) -> None:
        self._window = window
        self._num_iterations = num_iterations
        self._batch_size = batch_size
        self._device = device
        self._started = 0.0
        self._rows: list[tuple[int, float, float]] = []

    def before_train(self, trainer: Trainer) -> None:
        emit("progress", phase="training", done=0, total=self._num_iterations)

    def before_step(self, iteration: int) -> None:
        if iteration == self._window.start:
            self._synchronize()
        self._started = time.perf_counter()

    def after_step(self, step: Step) -> None:
        if step.iteration == self._window.stop - 1:
            self._synchronize()
        elapsed = time.perf_counter() - self._started
        self._rows.append((step.iteration, elapsed, step.data_seconds))
        emit(
            "progress",
            phase="training",
            done=step.iteration + 1,
            total=self._num_iterations,
            loss=round(step.loss, 4),
        )

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def throughput(self) -> Throughput | None:
        """Images over the summed time of the window's iterations; None before it has ended."""
        inside = [row for row in self._rows if row[0] in self._window]
        if len(inside) < self._window.count:
            return None
        times = np.array([row[1] for row in inside])
        images = len(inside) * self._batch_size
        p10, median, p90 = np.percentile(times, [10, 50, 90])
        return Throughput(
            images_per_second=images / times.sum(),
            images=images,
            seconds=times.sum(),
            num_iterations=len(inside),
            first_iteration=self._window.start,
            batch_size=self._batch_size,
            iteration_seconds_median=median,
            iteration_seconds_p10=p10,
            iteration_seconds_p90=p90,
            data_wait_share=sum(row[2] for row in inside) / times.sum(),
        )

    def write(self, path: Path) -> None:
        """Write every iteration's times as CSV, the warm-up included."""
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(_COLUMNS)
            writer.writerows((i, f"{t:.6f}", f"{d:.6f}") for i, t, d in self._rows)
