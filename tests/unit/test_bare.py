"""The clock of the bare side, which has to time what the suite's meter times."""

import pytest

pytest.importorskip("detectron2")

from detectron2.engine import HookBase, TrainerBase

from detbench.records.spec import Window
from detbench.training.bare import Clock, timed


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
