"""Reports of the plain training loop: metrics.json and log.txt, as detectron2 writes them.

So a reader of one framework's logs reads the others' too.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from datetime import timedelta
from statistics import mean, median

from detbench.training.accuracy import upstream_name
from detbench.training.protocol import Job, Step

REPORT_EVERY = 20
"""Iterations between two reports."""

_NOT_TIMED = 2  # iterations that detectron2's mean time leaves out at the start


class Reports:
    """Writes a report of medians every 20 iterations, and one for each evaluation.

    Args:
        start: the first iteration of this process.
    """

    def __init__(self, job: Job, start: int) -> None:
        self._job = job
        self._recent: list[tuple[Step, dict[str, float], float]] = []
        self._times: list[float] = []
        self._learning_rate = math.nan
        self._inference = 0.0
        spec = job.spec
        self._say(f"Rank of current process: 0. World size: {job.world.size}")
        every = spec.evaluate_every or 0
        self._log(
            f"  IMS_PER_BATCH: {spec.batch_size}\n  MAX_ITER: {spec.num_iterations}\n"
            f"  EVAL_PERIOD: {every}"
        )
        if spec.train:
            self._say(f"Starting training from iteration {start}")

    def add(
        self, step: Step, losses: dict[str, float], elapsed: float, learning_rate: float
    ) -> None:
        """Add an iteration that took `elapsed` seconds."""
        self._recent.append((step, losses, elapsed))
        self._times.append(elapsed)
        self._learning_rate = learning_rate

    def write(self) -> None:
        """Write a report of all iterations since the last one."""
        if not self._recent:
            return
        steps, losses, seconds = zip(*self._recent, strict=True)
        each = {name: median(own[name] for own in losses) for name in losses[-1]}
        total = median(step.loss for step in steps)
        waits = [step.data_seconds for step in steps]
        self._line(
            iteration=steps[-1].iteration,
            time=median(seconds),
            data_time=median(waits),
            total_loss=total,
            lr=self._learning_rate,
            **(each if len(each) > 1 else {}),
        )
        left = self._job.spec.num_iterations - steps[-1].iteration - 1
        eta = timedelta(seconds=round(left * median(seconds)))
        names = "  ".join(f"{name}: {value:.4g}" for name, value in each.items())
        self._say(
            f" eta: {eta}  iter: {steps[-1].iteration}  total_loss: {total:.4g}  {names}"
            f"    time: {mean(self._times[_NOT_TIMED:] or self._times):.4f}"
            f"  last_time: {seconds[-1]:.4f}  data_time: {mean(waits):.4f}"
            f"  last_data_time: {waits[-1]:.4f}   lr: {self._learning_rate:.5g}  "
        )
        self._recent.clear()

    def begin_inference(self, num_images: int) -> None:
        """Report that an evaluation begins."""
        self._inference = time.perf_counter()
        self._say(f"Start inference on {num_images} batches")

    def end_inference(self, num_own: int) -> None:
        """The process has finished inference on its images."""
        seconds = time.perf_counter() - self._inference
        self._say(
            f"Total inference time: {timedelta(seconds=seconds)} ({seconds / max(1, num_own):.6f}"
            f" s / iter per device, on {self._job.world.size} devices)"
        )

    def add_accuracy(self, iterations: int, found: Mapping[str, float | None]) -> None:
        """Report an evaluation after so many iterations, under the number of the last one."""
        values = {
            upstream_name(name): math.nan if value is None else value
            for name, value in found.items()
        }
        self._line(iteration=max(0, iterations - 1), **values)
        self._say(f"Evaluation results for {self._job.dataset.name} in csv format:")
        for task in dict.fromkeys(name.partition("/")[0] for name in values):
            own = {n.partition("/")[2]: v for n, v in values.items() if n.startswith(f"{task}/")}
            self._say(f"copypaste: Task: {task}")
            self._say(f"copypaste: {','.join(own)}")
            self._say(f"copypaste: {','.join(f'{value:.4f}' for value in own.values())}")

    def _line(self, **values: float) -> None:
        with (self._job.output / "metrics.json").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(values) + "\n")

    def _say(self, text: str) -> None:
        self._log(f"[{time.strftime('%m/%d %H:%M:%S')} detbench.training.loop]: {text}")

    def _log(self, text: str) -> None:
        with (self._job.output / "log.txt").open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")
