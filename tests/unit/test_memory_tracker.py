"""The tracker on a network small enough to count every tensor of by hand."""

import csv
from collections import defaultdict
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from detbench.readers.memory_csv import read_memory_csv
from detbench.records import Window
from detbench.training.memory_tracker import MemoryTracker
from detbench.training.protocol import Step

FLOAT = 4
BATCH, CHANNELS, OUT, SIDE = 2, 3, 8, 16


class Loop:
    """A training loop of one convolution, one ReLU and a sum."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(
            torch.nn.Conv2d(CHANNELS, OUT, 3, padding=1, bias=False), torch.nn.ReLU()
        )
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=0.1, momentum=0.9, foreach=False
        )

    def run(self, tracker: MemoryTracker, num_iterations: int) -> None:
        tracker.before_train(self)
        for iteration in range(num_iterations):
            tracker.before_step(iteration)
            batch = torch.rand(BATCH, CHANNELS, SIDE, SIDE)
            loss = self.model(batch).sum()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            tracker.after_step(Step(iteration, 0.0, float(loss.detach())))
            del loss, batch
        tracker.after_train()


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, dict[str, int]]:
    """Bytes by phase and category, in the second iteration, where momentum stands."""
    path = tmp_path / "memory_csv_data" / "memory_bs2.csv"
    tracker = MemoryTracker(Window(start=1, count=1), path, torch.device("cpu"))
    Loop().run(tracker, 3)
    tracker.finish()
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in read_memory_csv(path).itertuples():
        found[row.phase][row.category] += row.bytes
    return found


WEIGHTS = OUT * CHANNELS * 3 * 3 * FLOAT
INPUT = BATCH * CHANNELS * SIDE * SIDE * FLOAT
FEATURES = BATCH * OUT * SIDE * SIDE * FLOAT


def test_weights_and_momentum_are_there_in_every_phase(parts: dict[str, dict[str, int]]) -> None:
    assert list(parts) == ["data", "forward", "backward", "optimizer"]
    for phase in parts.values():
        assert phase["weights"] == WEIGHTS
        assert phase["optimizer state"] == WEIGHTS


def test_forward_keeps_what_backward_needs(parts: dict[str, dict[str, int]]) -> None:
    # The convolution saves its input, which is the batch, and its weight; ReLU saves its output.
    # The convolution's own output is alive beside it, and then only a name of nothing.
    assert parts["forward"]["inputs"] == INPUT
    assert parts["forward"]["activations"] == FEATURES
    assert parts["forward"]["temporaries"] == FEATURES


def test_gradients_are_the_weights_size_from_backward_on(
    parts: dict[str, dict[str, int]],
) -> None:
    assert parts["optimizer"]["gradients"] == WEIGHTS
    assert parts["optimizer"]["activations"] == 0


def test_the_record_gets_the_highest_peak(tmp_path: Path) -> None:
    tracker = MemoryTracker(Window(start=1, count=2), tmp_path / "m.csv", torch.device("cpu"))
    Loop().run(tracker, 3)
    peak = tracker.finish()
    assert peak["total"] == sum(size for name, size in peak.items() if name != "total")
    with (tmp_path / "m.csv").open() as stream:
        totals = [int(r["bytes"]) for r in csv.DictReader(stream) if r["category"] == "total"]
    assert peak["total"] == max(totals)
    assert len(totals) == 2 * 4


def test_the_loss_is_the_same_with_the_tracker_as_without(tmp_path: Path) -> None:
    def last_weights(window: Window) -> "torch.Tensor":
        loop = Loop()
        loop.run(MemoryTracker(window, tmp_path / "m.csv", torch.device("cpu")), 3)
        return loop.model[0].weight.detach()

    tracked, plain = Window(start=0, count=3), Window(start=9, count=1)
    assert torch.equal(last_weights(tracked), last_weights(plain))


def test_nothing_is_left_attached(tmp_path: Path) -> None:
    loop = Loop()
    tracker = MemoryTracker(Window(start=0, count=1), tmp_path / "m.csv", torch.device("cpu"))
    loop.run(tracker, 2)
    assert not loop.model._forward_hooks
    assert not loop.model[0]._forward_pre_hooks
    assert not loop.optimizer._optimizer_step_pre_hooks
