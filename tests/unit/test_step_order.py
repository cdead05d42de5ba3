"""The order of what happens around an iteration: what is timed, and what is outside."""

import pytest

pytest.importorskip("detectron2")

from detectron2.engine import HookBase, TrainerBase

from detbench.records.spec import Window
from detbench.training.bare import Clock, timed
from detbench.training.frameworks.detectron2 import _Forward
from detbench.training.protocol import Hook, Step


class Steps(TrainerBase):  # type: ignore[misc]
    def run_step(self) -> None:
        pass


class Checkpoint(HookBase):  # type: ignore[misc]
    """As upstream's, it works after the last iteration."""

    clock: Clock

    def after_step(self) -> None:
        if self.trainer.iter == self.trainer.max_iter - 1:
            self.timed_before = self.clock.seconds


def test_what_upstream_does_after_the_window_is_not_timed() -> None:
    trainer, checkpoint = Steps(), Checkpoint()
    trainer.register_hooks([checkpoint])
    checkpoint.clock = timed(trainer, Window(start=1, count=2))
    trainer.train(0, 3)
    assert checkpoint.timed_before > 0
    assert checkpoint.timed_before == checkpoint.clock.seconds


class Noted(Hook):
    def __init__(self, name: str, notes: list[str]) -> None:
        self._name, self._notes = name, notes

    def before_step(self, iteration: int) -> None:
        self._notes.append(f"{self._name} begins {iteration}")

    def after_step(self, step: Step) -> None:
        self._notes.append(f"{self._name} ends {step.iteration}")


def test_a_profiler_opens_and_closes_outside_the_timed_iteration() -> None:
    trainer, notes = Steps(), list[str]()
    trainer.register_hooks([_Forward([Noted("profiler", notes), Noted("meter", notes)])])
    trainer.train(0, 1)
    assert notes == ["profiler begins 0", "meter begins 0", "meter ends 0", "profiler ends 0"]
