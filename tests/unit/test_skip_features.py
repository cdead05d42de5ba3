"""A probe holds what a training holds, tensor by tensor, though it computes no feature map."""

from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from detbench.readers.memory_csv import read_memory_csv
from detbench.records.spec import Window
from detbench.training.memory_tracker import MemoryTracker
from detbench.training.protocol import Step
from detbench.training.skip_features import SkipFeatures


def network() -> "torch.nn.Module":
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(inplace=True),
        torch.nn.MaxPool2d(2),
        torch.nn.Upsample(scale_factor=2),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * 16 * 16, 5),
    )


class Loop:
    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = network()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)


def tensors(path: Path, *, probe: bool) -> pd.DataFrame:
    loop = Loop()
    tracker = MemoryTracker(Window(start=1, count=1), path, torch.device("cpu"))
    with SkipFeatures() if probe else nullcontext():
        tracker.before_train(loop)
        for iteration in range(2):
            tracker.before_step(iteration)
            images = torch.rand(2, 3, 16, 16)
            loss = loop.model(images).square().mean()
            loop.optimizer.zero_grad()
            loss.backward()
            loop.optimizer.step()
            tracker.after_step(Step(iteration, 0.0, float(loss.detach())))
            del loss, images
        tracker.after_train()
    tracker.finish()
    parts = read_memory_csv(path)
    return parts[parts["category"] != "unattributed"].reset_index(drop=True)


def test_it_holds_the_same_tensors_at_the_same_peaks(tmp_path: Path) -> None:
    computed = tensors(tmp_path / "computed.csv", probe=False)
    probed = tensors(tmp_path / "probed.csv", probe=True)
    assert len(computed) > 10
    pd.testing.assert_frame_equal(computed, probed)


def test_feature_maps_are_zeros_and_choices_are_made() -> None:
    images = torch.rand(2, 3, 8, 8)
    with SkipFeatures():
        maps = torch.nn.functional.conv2d(images, torch.rand(4, 3, 3, 3))
        assert maps.shape == (2, 4, 6, 6)
        assert not maps.any()
        chosen = images[images > 0.5]  # how many depends on values: these are computed
        boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0]])
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
        none = torch.zeros(0, 4) @ torch.rand(4, 2)
        halves = images.to(torch.bfloat16)
    assert none.shape == (0, 2)
    assert (halves.dtype, halves.untyped_storage().nbytes()) == (torch.bfloat16, images.numel() * 2)
    assert 0 < len(chosen) < images.numel()
    assert areas.tolist() == [4.0, 4.0]
