"""Times iterations and reports the progress of a training."""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from detbench.gpus.energy import COUNTER, EnergyCounters
from detbench.records.events import emit
from detbench.records.spec import Throughput, Window
from detbench.training.protocol import Hook, Step, Trainer

_Row = tuple[int, float, float]
_Edge = tuple[float, float | None]
"""Seconds since the epoch, and the energy counters in J."""
_COLUMNS = ("iteration", "time (s)", "data wait (s)")


class Meter(Hook):
    """Measures throughput over the window and reports progress.

    An iteration lasts from before the request of its data until its optimizer step has returned.
    This class synchronises the device only at the window's two edges. detectron2's and
    torchvision's trainings wait for it in every iteration, as they read their losses (and R-CNN
    the number of its proposals), so there each time is that iteration's own. EfficientDet's host
    runs ahead of the device: there only the window's sum is exact.

    Args:
        num_iterations: the training's length, for the progress report.
        batch_size: images per iteration, over all processes.
        path: a CSV file of every iteration's times, warm-up included. If this training continues
            from a checkpoint, the iterations that it has from before count as measured.
        first: the first iteration of this training.
        energy: the counters of all GPUs that the training uses; read at the window's two edges.
    """

    def __init__(
        self,
        window: Window,
        num_iterations: int,
        batch_size: int,
        device: torch.device,
        path: Path,
        first: int = 0,
        *,
        energy: EnergyCounters,
    ) -> None:
        self._path = path
        self._rows = _rows_before(first, path)
        self._window = window
        self._num_iterations = num_iterations
        self._batch_size = batch_size
        self._device = device
        self._started = 0.0
        self._energy = energy
        self._edges: list[_Edge] = []

    def before_train(self, trainer: Trainer) -> None:
        emit("progress", phase="training", done=len(self._rows), total=self._num_iterations)
        with self._path.open("w", newline="") as stream:
            csv.writer(stream).writerows([_COLUMNS, *map(_text, self._rows)])
        # Line buffered, so that a killed process leaves every line in the file.
        self._stream = self._path.open("a", newline="", buffering=1)

    def before_step(self, iteration: int) -> None:
        if iteration == self._window.start:
            self._synchronize()
            self._edges = [self._edge()]
        self._started = time.perf_counter()

    def after_step(self, step: Step) -> None:
        if step.iteration == self._window.stop - 1:
            self._synchronize()
        elapsed = time.perf_counter() - self._started
        if step.iteration == self._window.stop - 1 and self._edges:
            self._edges.append(self._edge())
        row = (step.iteration, elapsed, step.data_seconds)
        self._rows.append(row)
        self._stream.write(",".join(_text(row)) + "\n")
        # Where the host runs ahead of a GPU, no loss has arrived at first.
        known = {} if math.isnan(step.loss) else {"loss": round(step.loss, 4)}
        emit(
            "progress",
            phase="training",
            done=step.iteration + 1,
            total=self._num_iterations,
            **known,
        )

    def after_train(self) -> None:
        self._stream.close()
        self._energy.close()

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def _edge(self) -> _Edge:
        return time.time(), self._energy.joules()

    def throughput(self, *, partial: bool) -> Throughput | None:
        """Images over the summed time of the window's iterations.

        None if the window has not ended, unless `partial` accepts the iterations so far.
        """
        inside = [row for row in self._rows if row[0] in self._window]
        if len(inside) < (1 if partial else self._window.count):
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
            **self._between_edges(),
        )

    def _between_edges(self) -> dict[str, Any]:
        """The window's edges and the energy used between them, as entries of a Throughput."""
        if len(self._edges) < 2:
            why = "the training continued or ended inside the window"
            return {"energy_source": self._energy.why_none or why}
        (began, before), (ended, after) = self._edges
        entries: dict[str, Any] = {"began": began, "ended": ended}
        if before is None or after is None:
            return entries | {"energy_source": self._energy.why_none}
        if after < before:
            return entries | {"energy_source": f"the {COUNTER} was reset inside the window"}
        return entries | {"energy_joules": after - before, "energy_source": COUNTER}


def _text(row: _Row) -> tuple[str, str, str]:
    iteration, seconds, data_seconds = row
    return str(iteration), f"{seconds:.6f}", f"{data_seconds:.6f}"


def _rows_before(iteration: int, path: Path) -> list[_Row]:
    if not path.is_file():
        return []
    with path.open(newline="") as stream:
        rows = [tuple(row.values()) for row in csv.DictReader(stream)]
    return [(int(i), float(t), float(d)) for i, t, d in rows if int(i) < iteration]
