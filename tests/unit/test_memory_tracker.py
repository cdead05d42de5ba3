"""The tracker on networks small enough to count every tensor of by hand, and beside torch's own."""

import csv
import gc
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.distributed._tools.mem_tracker import MemTracker

from detbench.readers.memory_csv import read_memory_csv
from detbench.readers.memory_curve import beside, read_memory_curve
from detbench.records.spec import Window
from detbench.training.device_memory import DeviceMemory
from detbench.training.memory_tracker import MemoryTracker
from detbench.training.protocol import Step
from tests.needed import package

CPU = torch.device("cpu")
FLOAT, INT64 = 4, 8
BATCH, CHANNELS, OUT, SIDE, CLASSES = 2, 3, 8, 16, 10

WEIGHTS = {
    "conv": OUT * CHANNELS * 3 * 3 * FLOAT + OUT * FLOAT,
    "bn": 2 * OUT * FLOAT,
    "fc": CLASSES * OUT * (SIDE // 2) ** 2 * FLOAT + CLASSES * FLOAT,
}
STATISTICS = 2 * OUT * FLOAT + INT64  # running mean and variance, and how many batches there were
INPUT = BATCH * CHANNELS * SIDE * SIDE * FLOAT
MAP = BATCH * OUT * SIDE * SIDE * FLOAT  # what convolution, norm and ReLU give
POOLED = MAP // 4
INDICES = BATCH * OUT * (SIDE // 2) ** 2 * INT64  # where each maximum was
MOMENTS = 2 * OUT * FLOAT  # the batch's mean and inverse deviation
SCORES = BATCH * CLASSES * FLOAT

Parts = dict[tuple[str, str], int]


class Net(torch.nn.Module):
    """Convolution, batch norm, ReLU in place, max-pool, linear."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(CHANNELS, OUT, 3, padding=1)
        self.bn = torch.nn.BatchNorm2d(OUT)
        self.relu = torch.nn.ReLU(inplace=True)
        self.pool = torch.nn.MaxPool2d(2)
        self.fc = torch.nn.Linear(OUT * (SIDE // 2) ** 2, CLASSES)

    def forward(self, batch: list[dict[str, Any]]) -> dict[str, Any]:
        maps = self.relu(self.bn(self.conv(batch[0]["image"].to(self.conv.weight.device))))
        return {"scores": [self.fc(self.pool(maps).flatten(1))]}


def images() -> list[dict[str, Any]]:
    return [{"image": torch.rand(BATCH, CHANNELS, SIDE, SIDE)}]


def score(model: Any, batch: Any) -> Any:
    return model(batch)["scores"][0].sum()


class Loop:
    """A training loop as the frameworks have it."""

    def __init__(
        self,
        model: Any = None,
        batch: Callable[[], Any] = images,
        loss: Callable[[Any, Any], Any] = score,
    ) -> None:
        self.model = Net() if model is None else model
        self.batch, self.loss = batch, loss
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=0.1, momentum=0.9, foreach=False
        )

    def step(self, batch: Any) -> None:
        loss = self.loss(self.model, batch)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def run(self, tracker: MemoryTracker, num_iterations: int) -> None:
        tracker.before_train(self)
        for iteration in range(num_iterations):
            tracker.before_step(iteration)
            self.step(self.batch())
            tracker.after_step(Step(iteration, 0.0, 0.0))
        tracker.after_train()


def track(path: Path, loop: Loop, start: int = 1, **kwargs: Any) -> dict[str, Parts]:
    """Parts by phase of iteration `start`; but for what other tests have left in memory."""
    tracker = MemoryTracker(Window(start=start, count=1), path, CPU, **kwargs)
    loop.run(tracker, start + 1)
    tracker.finish()
    found: dict[str, Parts] = defaultdict(dict)
    for row in read_memory_csv(path).itertuples():
        if row.category not in ("unattributed", "others"):
            found[row.phase][row.category, row.module] = row.bytes
    return found


@pytest.fixture
def phases(tmp_path: Path) -> dict[str, Parts]:
    return track(tmp_path / "memory_csv_data" / "memory_bs2.csv", Loop())


STANDING = {
    **{("weights", name): size for name, size in WEIGHTS.items()},
    **{("optimizer state", name): size for name, size in WEIGHTS.items()},
    ("buffers", "bn"): STATISTICS,
}


def test_every_tensor_at_the_peak_of_forward(phases: dict[str, Parts]) -> None:
    assert list(phases) == ["data", "forward", "backward", "optimizer"]
    gradients = {("gradients", name): size for name, size in WEIGHTS.items()}
    assert phases["forward"] == STANDING | gradients | {
        ("inputs", ""): INPUT,
        # Under the module whose backward needs it:
        ("activations", "bn"): MAP + MOMENTS,  # the convolution's output is the norm's input
        ("activations", "relu"): MAP,  # the norm's output, overwritten; the pool needs it too
        ("activations", "pool"): INDICES,
        ("activations", "fc"): POOLED,
        ("temporaries", "fc"): SCORES,
    }


def test_every_tensor_at_the_peak_of_backward(phases: dict[str, Parts]) -> None:
    # When ReLU's backward has run: its result stands beside its input, which is the pool's
    # result. The linear layer is done; what pool and linear had saved is given back.
    assert phases["backward"] == STANDING | {
        ("inputs", ""): INPUT,
        ("activations", "bn"): MAP + MOMENTS,
        ("activations", "relu"): MAP,
        ("temporaries", "pool"): MAP,
        ("temporaries", "relu"): MAP,
        ("temporaries", ""): 2 * FLOAT,  # the loss, and the 1 that backward begins with
        ("gradients", "fc"): WEIGHTS["fc"],
    }


def test_every_tensor_in_the_optimizer_and_before_forward(phases: dict[str, Parts]) -> None:
    gradients = {("gradients", name): size for name, size in WEIGHTS.items()}
    assert phases["data"] == STANDING | gradients | {("inputs", ""): INPUT}
    held = {("inputs", ""): INPUT, ("temporaries", ""): FLOAT}
    assert phases["optimizer"] == STANDING | gradients | held


def test_a_network_and_loss_that_return_lists_and_dicts_train_the_same(tmp_path: Path) -> None:
    def last_weights(window: Window) -> Any:
        loop = Loop()
        loop.run(MemoryTracker(window, tmp_path / "m.csv", CPU), 3)
        return [weight.detach() for weight in loop.model.parameters()]

    tracked, plain = Window(start=0, count=3), Window(start=9, count=1)
    for ours, bare in zip(last_weights(tracked), last_weights(plain), strict=True):
        assert torch.equal(ours, bare)


def test_nothing_is_left_attached(tmp_path: Path) -> None:
    loop = Loop()
    loop.run(MemoryTracker(Window(start=0, count=1), tmp_path / "m.csv", CPU), 2)
    assert not loop.model._forward_hooks
    assert not loop.model.conv._forward_pre_hooks
    assert not loop.optimizer._optimizer_step_pre_hooks
    assert not loop.model.conv.weight._post_accumulate_grad_hooks


def test_momentum_is_optimizer_state_from_when_it_is_made(tmp_path: Path) -> None:
    phases = track(tmp_path / "m.csv", Loop(), start=0)
    assert ("optimizer state", "fc") not in phases["backward"]
    for name, size in WEIGHTS.items():
        assert phases["optimizer"]["optimizer state", name] == size


def test_tensors_from_before_the_window_are_others(tmp_path: Path) -> None:
    average = torch.zeros(123_456)
    path = tmp_path / "m.csv"
    track(path, Loop())
    rows = read_memory_csv(path)
    others = rows[rows["category"] == "others"]
    assert set(others["module"]) == {"(before the window)"}
    assert others["bytes"].min() >= average.nbytes


def test_a_batch_copied_onto_the_device_is_input_there(tmp_path: Path) -> None:
    # The meta device stands for a GPU: a batch on the CPU, and the model copies it over itself.
    meta = torch.device("meta")
    read = lambda: (10**6, 2 * 10**6, 3 * 10**6, 4 * 10**6)  # noqa: E731
    levels = tuple((name, f"({name})") for name in ("requested", "allocated", "reserved", "used"))
    path = tmp_path / "m.csv"
    window = Window(start=1, count=1)
    tracker = MemoryTracker(window, path, meta, DeviceMemory(levels, read))
    Loop(Net().to(meta)).run(tracker, 2)
    peak = tracker.finish()
    assert peak["inputs"] == INPUT
    assert peak["total"] == 4 * 10**6
    assert peak["unattributed"] == 4 * 10**6 - peak["tracked"]
    rows = read_memory_csv(path)
    rest = rows[(rows["category"] == "unattributed") & (rows["phase"] == "forward")]
    assert dict(zip(rest["module"], rest["bytes"], strict=True)) == {
        "(requested)": 10**6
        - rows[(rows["phase"] == "forward") & (rows["category"] != "unattributed")]["bytes"].sum(),
        "(allocated)": 10**6,
        "(reserved)": 10**6,
        "(used)": 10**6,
    }
    timeline = read_memory_curve(beside(path))
    assert set(timeline["reserved (bytes)"]) == {3 * 10**6}


def test_gradients_accumulated_over_two_batches_are_one_forward_phase(tmp_path: Path) -> None:
    class Twice(Loop):
        def step(self, batch: Any) -> None:
            self.optimizer.zero_grad()
            for _ in range(2):
                self.loss(self.model, batch).backward()
            self.optimizer.step()

    phases = track(tmp_path / "m.csv", Twice())
    assert list(phases) == ["data", "forward", "backward", "optimizer"]
    assert phases["forward"]["gradients", "fc"] == WEIGHTS["fc"]  # the higher one is the second


def test_the_record_has_the_highest_tracked_moment(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    tracker = MemoryTracker(Window(start=1, count=2), path, CPU)
    Loop().run(tracker, 3)
    peak = tracker.finish()
    rows = read_memory_csv(path)
    tracked = rows[rows["category"] != "unattributed"]
    sums = tracked.groupby(["iteration", "phase"], sort=False)["bytes"].sum()
    assert len(sums) == 2 * 4
    assert peak["tracked"] == sums.max()
    at = rows.set_index(["iteration", "phase"]).loc[sums.idxmax()]
    by_category = at.groupby("category")["bytes"].sum().to_dict()
    assert peak == by_category | {"tracked": sums.max(), "total": at["bytes"].sum()}


def test_the_timeline_passes_through_every_phases_peak(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    track(path, Loop())
    rows, timeline = read_memory_csv(path), read_memory_curve(beside(path))
    assert timeline["time (ns)"].is_monotonic_increasing
    for phase, parts in rows.groupby("phase", sort=False):
        own = timeline[timeline["phase"] == phase]
        tracked = own["total (bytes)"] - own["unattributed (bytes)"]
        top = own.loc[tracked.idxmax()]
        assert top["total (bytes)"] == parts["bytes"].sum()
        for category, size in parts.groupby("category")["bytes"].sum().items():
            assert top[f"{category} (bytes)"] == size


def test_columns_add_up_in_every_row(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    track(path, Loop())
    with beside(path).open() as stream:
        for row in csv.DictReader(stream):
            at = list(row)
            parts = at[at.index("changes") + 1 : at.index("total (bytes)")]
            assert sum(int(row[name]) for name in parts) == int(row["total (bytes)"])
            assert row["resident (bytes)"] == row["total (bytes)"]


def highest(path: Path, make: Callable[[], Loop]) -> int:
    """Bytes in tensors at the peak of iteration 1, but for those that other tests have left."""
    gc.collect()
    tensors = (o for o in gc.get_objects() if issubclass(type(o), torch.Tensor) and o.is_cpu)
    storages = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in tensors}
    tracker = MemoryTracker(Window(start=1, count=1), path, CPU)
    make().run(tracker, 2)
    return tracker.finish()["tracked"] - sum(storages.values())


def theirs(loop: Loop) -> int:
    """The same by torch's own tracker."""
    loop.step(loop.batch())
    batch, tracker = loop.batch(), MemTracker()
    tracker.track_external(loop.model, loop.optimizer)
    for image in batch:
        tracker.track_external(*image.values())
    with tracker:
        loop.step(batch)
    return int(tracker.get_tracker_snapshot("peak")[CPU]["Total"])


def test_the_peak_is_that_of_torchs_own_tracker(tmp_path: Path) -> None:
    assert highest(tmp_path / "m.csv", Loop) == theirs(Loop())


def test_the_peak_of_a_detector_is_that_of_torchs_own_tracker(tmp_path: Path) -> None:
    detection = package("torchvision", "bash scripts/make_venv.sh train test").models.detection

    def detector() -> Loop:
        torch.manual_seed(0)
        model = detection.fasterrcnn_mobilenet_v3_large_320_fpn(
            weights=None, weights_backbone=None, num_classes=3, min_size=64, max_size=64,
            box_batch_size_per_image=16, rpn_pre_nms_top_n_train=50, rpn_post_nms_top_n_train=20,
        )  # fmt: skip
        return Loop(model, scenes, losses)

    def scenes() -> list[dict[str, Any]]:
        torch.manual_seed(1)
        boxes = torch.tensor([[4.0, 4.0, 40.0, 40.0], [20.0, 8.0, 60.0, 50.0]])
        return [
            {"image": torch.rand(3, 64, 64), "boxes": boxes[:n], "labels": torch.ones(n).long()}
            for n in (1, 2)
        ]

    def losses(model: Any, batch: Any) -> Any:
        return sum(model([scene["image"] for scene in batch], batch).values())

    assert highest(tmp_path / "m.csv", detector) == theirs(detector())
