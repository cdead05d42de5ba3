"""What a training computes with: precision, layout, compiler, weights, losses and FLOPs."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torchvision.ops.misc import FrozenBatchNorm2d

from detbench.errors import MissingError
from detbench.records.spec import Precision, RunSpec, Throughput, Window
from detbench.training import numbers
from detbench.training.flops import FlopCounter
from detbench.training.losses import Losses
from detbench.training.protocol import Step
from detbench.training.random_weights import settle
from tests.needed import program

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def spec(**changes: object) -> RunSpec:
    return RunSpec.model_validate(
        {
            "family": "maskrcnn", "framework": "torchvision", "model": "m", "mode": "noprofile",
            "batch_size": 2, "window": Window(start=4, count=2), "num_iterations": 6,
            "device": "cpu", "gpu_profile": "cpu", "dataset": "embedded", "weights": "none",
            **changes,
        }
    )  # fmt: skip


@pytest.fixture
def flags() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.mark.usefixtures("flags")
@pytest.mark.parametrize(
    ("precision", "allowed", "half"),
    [
        ("fp32", False, None),
        ("tf32", True, None),
        ("amp", True, torch.float16),
        ("bf16", True, torch.bfloat16),
    ],
)
def test_a_precision_sets_every_flag(
    precision: Precision, allowed: bool, half: torch.dtype | None
) -> None:
    numbers.set_precision(precision)
    assert torch.backends.cuda.matmul.allow_tf32 is allowed
    assert torch.backends.cudnn.allow_tf32 is allowed
    assert numbers.half_type(precision, CUDA) is half
    assert numbers.scales_gradients(precision, CUDA) is (precision == "amp")
    assert not numbers.scales_gradients(precision, CPU)


class Detector(nn.Module):
    """A backbone and a head, as every framework's models have them."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), FrozenBatchNorm2d(4))
        self.head = nn.Linear(4, 2, bias=False)
        self.seen: list[bool] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(images.is_contiguous(memory_format=torch.channels_last))
        return self.head(self.backbone(images).mean((2, 3)))


def test_channels_last_is_the_layout_of_weights_and_images() -> None:
    model = Detector()
    numbers.lay_out(model, spec(channels_last=True))
    model(torch.randn(2, 3, 8, 8))
    assert model.seen == [True]
    weight = model.backbone[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_compiling_on_a_cpu_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingError, match=r"C\+\+ compiler; apt-get install g\+\+"):
        numbers.lay_out(Detector(), spec(compile=True))


@pytest.mark.train
def test_a_compiled_backbone_computes_the_same() -> None:
    program("g++", "apt-get install g++")
    images = torch.randn(2, 3, 8, 8)
    model = Detector()
    expected = model(images)
    numbers.lay_out(model, spec(compile=True))
    assert torch.allclose(model(images), expected, atol=1e-5)
    assert model.backbone._compiled_call_impl is not None
    assert numbers.backbone_of(model) is model.backbone


def test_frozen_norms_take_the_statistics_of_their_first_input() -> None:
    model = Detector()
    settle(model)
    images = 100 + 50 * torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        first = model.backbone(images)
        assert first.mean().abs() < 1e-4
        assert (first.var((0, 2, 3)) - 1).abs().max() < 1e-2
        again = model.backbone(images + 10)  # the statistics stay those of the first input
    assert again.mean().abs() > 1e-3


def test_losses_are_read_with_their_iteration() -> None:
    losses = Losses()
    assert math.isnan(losses.newest)
    losses.put(3, {"a": torch.tensor(1.0), "b": torch.tensor(0.5)})
    losses.put(4, {"a": torch.tensor(2.0), "b": torch.tensor(float("nan"))})
    with pytest.raises(FloatingPointError, match="became nan in iteration 4"):
        losses.read(wait=True)
    assert losses.of == {3: {"a": 1.0, "b": 0.5}}


def counted(run: RunSpec, half: bool = False) -> Throughput:
    """The counter's word on iterations of a convolution and a matrix product, and their results."""
    torch.manual_seed(0)
    model, counter = Detector(), FlopCounter(run, run.batch_size)
    for iteration in range(run.num_iterations):
        counter.before_step(iteration)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = model(torch.randn(run.batch_size, 3, 8, 8)).square().sum()
        loss.backward()
        counter.after_step(Step(iteration, 0.0, 0.0))
    empty = {name: 1 for name in Throughput.model_fields if name not in ("flops", "flops_source")}
    return counter.added_to(Throughput.model_validate({**empty, "energy_source": ""}))


def test_flops_of_a_network_counted_by_hand() -> None:
    # Convolution: 2 * 8*8 pixels * 4 * 3 channels * 9 weights = 13,824 an image, and as many for
    # the gradient of its weights (that of the images is not needed). Linear: 2 * 4 * 2 = 16, and
    # twice that in the backward pass.
    found = counted(spec())
    assert found.flops == {"float32": 2 * 13_824 + 3 * 16}
    assert found.flops_source == "torch's counter on the batch of iteration 2"


def test_flops_are_counted_by_the_type_they_ran_in() -> None:
    assert set(counted(spec(), half=True).flops) == {"bfloat16"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"mode": "torch"}, "not counted in mode torch"),
        ({"compile": True}, "compiled operators"),
        ({"window": Window(start=2, count=2)}, "before iteration 3"),
    ],
)
def test_where_nothing_can_be_counted_it_says_why(changes: dict[str, object], why: str) -> None:
    found = counted(spec(**changes))
    assert not found.flops
    assert why in found.flops_source
