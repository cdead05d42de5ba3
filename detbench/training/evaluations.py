"""The evaluations of a training, timed on the clock of time-to-train."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from detbench.errors import UsageError
from detbench.records.spec import Evaluation, TimeToTrain

Accuracy = dict[str, float | None]


@dataclass
class Evaluations:
    """Every evaluation so far, and whether the last one met the target.

    The clock starts when this object is created, before the first touch of the dataset, and is
    never paused: evaluations count (MLPerf's training rules).

    Args:
        target: by metric (`box AP`) the percentage that it has to reach; all have to be met.
    """

    target: Mapping[str, float]
    done: list[Evaluation] = field(default_factory=list)
    _started: float = field(default_factory=time.perf_counter)

    @contextmanager
    def timed(self, iterations: int) -> Iterator[Accuracy]:
        """Time an evaluation after so many iterations; the block fills in its accuracy.

        Raises:
            UsageError: the target names a metric that the evaluation lacks.
        """
        began = time.perf_counter()
        accuracy: Accuracy = {}
        yield accuracy
        for metric in self.target:
            if metric not in accuracy:
                raise UsageError(
                    f"--target: no {metric} in the evaluation", f"it has: {', '.join(accuracy)}"
                )
        ended = time.perf_counter()
        self.done.append(
            Evaluation(
                iterations=iterations,
                seconds=ended - self._started,
                evaluation_seconds=ended - began,
                accuracy=accuracy,
            )
        )

    @property
    def reached(self) -> bool:
        """Whether there is a target and the newest evaluation meets all of it."""
        if not self.target or not self.done:
            return False
        found = self.done[-1].accuracy
        return all((found.get(m) or 0.0) >= goal for m, goal in self.target.items())

    def time_to_train(self, batch_size: int, num_images: int) -> TimeToTrain | None:
        """The time to the target, or the fact that it was not reached; None without a target.

        Args:
            batch_size: images per iteration, over all processes.
            num_images: the images of an epoch.
        """
        if not self.target or not self.done:
            return None
        last = self.done[-1]
        images = last.iterations * batch_size
        return TimeToTrain(
            target=dict(self.target),
            reached=self.reached,
            seconds=last.seconds if self.reached else None,
            evaluation_seconds=sum(e.evaluation_seconds for e in self.done),
            num_evaluations=len(self.done),
            iterations=last.iterations,
            images=images,
            epochs=images / num_images,
        )
