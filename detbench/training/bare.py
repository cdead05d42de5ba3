"""Upstream's trainer without a line of ours: `python -m detbench.training.bare SPEC FOLDER`.

The other side of a comparison that shows the suite's own overhead: the same detectron2 config,
weights and numbers, and a clock at the window's edges. Emits the event `clock` with the `seconds`
between them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from detectron2.engine import DefaultTrainer, HookBase, TrainerBase

from detbench.datasets import open_dataset
from detbench.records.events import emit
from detbench.records.spec import RunSpec, Window
from detbench.training.distributed import World
from detbench.training.evaluations import Evaluations
from detbench.training.frameworks.detectron2 import config_of
from detbench.training.numbers import lay_out, set_precision
from detbench.training.protocol import Job
from detbench.training.random_weights import settle, untrained


class Clock(HookBase):  # type: ignore[misc]
    """Takes the time before the window's first iteration and after its last one.

    Time between iterations counts. A GPU has to have finished at both edges.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        self._began = 0.0
        self.seconds = 0.0

    def before_step(self) -> None:
        if self.trainer.iter == self._window.start:
            self._began = _now()

    def after_step(self) -> None:
        if self.trainer.iter == self._window.stop - 1:
            self.seconds = _now() - self._began

    def tell(self) -> None:
        """Emit what was measured."""
        emit("clock", seconds=self.seconds)


def timed(trainer: TrainerBase, window: Window) -> Clock:
    """Attach a clock in front of the trainer's other hooks, where the suite's own meter is.

    Behind them it would time the checkpoint that upstream writes after the last iteration.
    """
    clock = Clock(window)
    trainer.register_hooks([clock])
    trainer._hooks.insert(0, trainer._hooks.pop())
    return clock


def _now() -> float:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


def main(spec_path: Path, folder: Path) -> None:
    """Train the spec's window with upstream's trainer."""
    spec = RunSpec.model_validate_json(spec_path.read_bytes())
    set_precision(spec.precision)
    job = Job.of(spec, open_dataset(spec.dataset), folder, World(), Evaluations({}))
    if spec.weights == "random":
        job = untrained(job)
    cfg = config_of(job).clone()
    cfg.defrost()
    cfg.DATASETS.TEST = ()
    trainer = DefaultTrainer(cfg)
    trainer.resume_or_load(resume=False)
    if spec.weights == "random":
        settle(trainer.model)
    lay_out(trainer.model, spec)
    clock = timed(trainer, spec.window)
    trainer.train()
    clock.tell()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
