"""The parts of the training process that need no network: order, checkpoints, clock, schedule."""

import random
import time
from itertools import islice
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")
pytest.importorskip("pycocotools")

from detbench.errors import BadFileError, UsageError
from detbench.suite import Schedule
from detbench.training import checkpoints
from detbench.training.evaluations import Evaluations
from detbench.training.randomness import Order, Reseed, drawing_for
from detbench.training.schedule import learning_rate_factor


def taken(order: Order, number: int) -> list[tuple[int, int]]:
    return list(islice(order, number))


def test_every_image_comes_once_an_epoch_and_epochs_differ() -> None:
    places = taken(Order(7, seed=3), 21)
    assert [p for p, _ in places] == list(range(21))
    epochs = [[i for _, i in places[e : e + 7]] for e in (0, 7, 14)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert taken(Order(7, seed=4), 7) != places[:7]


def test_an_order_goes_on_from_anywhere() -> None:
    assert taken(Order(7, seed=3, start=10), 9) == taken(Order(7, seed=3), 19)[10:]


@pytest.mark.parametrize("size", [2, 3])
def test_processes_share_what_one_would_take(size: int) -> None:
    shares = [taken(Order(7, seed=3, rank=r, size=size), 8) for r in range(size)]
    assert sorted(p for share in shares for p in share) == taken(Order(7, seed=3), 8 * size)


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(()))


def test_a_sample_draws_the_same_wherever_it_is_loaded() -> None:
    with drawing_for(1, 5):
        first = draw()
    draw()
    before = random.getstate(), torch.get_rng_state()
    with drawing_for(1, 5):
        assert draw() == first
    assert random.getstate() == before[0]  # nobody else's numbers are touched
    assert torch.equal(torch.get_rng_state(), before[1])
    with drawing_for(1, 6):
        assert draw() != first
    with drawing_for(2, 5):
        assert draw() != first


def test_an_iteration_draws_the_same_after_a_restart() -> None:
    hook = Reseed(seed=1, rank=0)
    hook.before_step(9)
    first = draw()
    hook.before_step(10)
    assert draw() != first
    Reseed(seed=1, rank=0).before_step(9)
    assert draw() == first
    Reseed(seed=1, rank=1).before_step(9)
    assert draw() != first


@pytest.mark.train
@pytest.mark.parametrize("batch_size", [1, 2, 3])
@pytest.mark.parametrize("done", [0, 1, 4, 9])
def test_detectron2s_grouping_goes_on_where_it_was(batch_size: int, done: int) -> None:
    from detectron2.data.common import AspectRatioGroupedDataset

    from detbench.training.frameworks.detectron2_data import _after

    rng = np.random.default_rng(0)
    is_wide = [bool(w) for w in rng.random(11) < 0.4]

    def batches(places: list[tuple[int, int]]) -> list[list[int]]:
        records = [{"width": 2 if is_wide[i] else 1, "height": 1, "position": p} for p, i in places]
        grouped = AspectRatioGroupedDataset(records, batch_size)
        return [[record["position"] for record in batch] for batch in grouped]

    whole = batches(taken(Order(11, seed=2), 60))
    rest = list(islice(_after(done, iter(Order(11, seed=2)), is_wide, batch_size), 40))
    again = batches(rest)
    assert again[:8] == whole[done : done + 8]


def test_checkpoints_are_whole_and_the_newest_two_are_kept(tmp_path: Path) -> None:
    assert checkpoints.iterations_done(tmp_path) == 0
    assert checkpoints.load_newest(tmp_path, torch.device("cpu")) is None
    for iteration in (9, 19, 29):
        checkpoints.save(tmp_path, iteration, {"iteration": iteration})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "last_checkpoint", "model_0000019.pth", "model_0000029.pth",
    ]  # fmt: skip
    assert checkpoints.iterations_done(tmp_path) == 30
    assert checkpoints.load_newest(tmp_path, torch.device("cpu")) == {"iteration": 29}
    checkpoints.write(tmp_path / checkpoints.FINAL, {})
    checkpoints.clear(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["model_final.pth"]


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    path, cpu = tmp_path / "weights.pth", torch.device("cpu")
    own, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 4)
    checkpoints.write(path, {"model": own.state_dict()})
    checkpoints.load_weights(torch.nn.Linear(3, 2), path, cpu)
    with pytest.raises(BadFileError, match=r"weight has shape \(2, 3\), the model's \(4, 3\)"):
        checkpoints.load_weights(other, path, cpu)
    with pytest.raises(BadFileError, match="it lacks running_mean"):
        checkpoints.write(path, {"weight": torch.ones(3), "bias": torch.ones(3)})
        checkpoints.load_weights(torch.nn.BatchNorm1d(3), path, cpu)
    checkpoints.write(path, {"conv": torch.ones(3)})
    with pytest.raises(BadFileError, match="it has conv, which the model lacks"):
        checkpoints.load_weights(own, path, cpu)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(BadFileError, match="not a checkpoint"):
        checkpoints.load_weights(own, path, cpu)


def evaluated(evaluations: Evaluations, iterations: int, **found: float | None) -> None:
    with evaluations.timed(iterations) as accuracy:
        accuracy.update({name.replace("_", " "): value for name, value in found.items()})
        time.sleep(0.01)


def test_the_clock_of_the_time_to_train() -> None:
    evaluations = Evaluations({"box AP": 30.0, "mask AP": 25.0})
    time.sleep(0.02)
    evaluated(evaluations, 100, box_AP=31.0, mask_AP=24.0)
    assert not evaluations.reached  # all of the target has to be met
    missed = evaluations.time_to_train(batch_size=4, num_images=100)
    assert missed is not None
    assert (missed.reached, missed.seconds, missed.iterations) == (False, None, 100)
    evaluated(evaluations, 200, box_AP=30.0, mask_AP=25.5)
    found = evaluations.time_to_train(batch_size=4, num_images=100)
    assert found is not None
    assert (found.reached, found.iterations, found.images, found.epochs) == (True, 200, 800, 8.0)
    assert found.seconds is not None
    assert found.evaluation_seconds >= 0.02
    assert found.seconds >= found.evaluation_seconds + 0.02  # it is not paused


def test_an_undefined_ap_meets_no_target() -> None:
    evaluations = Evaluations({"mask AP": 1.0})
    evaluated(evaluations, 1, mask_AP=None)
    assert not evaluations.reached


def test_a_target_that_the_evaluation_does_not_know() -> None:
    with pytest.raises(UsageError, match="no mask AP in the evaluation; it has: box AP"):
        evaluated(Evaluations({"mask AP": 1.0}), 1, box_AP=3.0)


def test_without_a_target_there_is_no_time() -> None:
    evaluations = Evaluations({})
    evaluated(evaluations, 1, box_AP=3.0)
    assert not evaluations.reached
    assert evaluations.time_to_train(4, 100) is None


def test_a_cosine_from_the_warm_up_to_nothing() -> None:
    schedule = Schedule(
        batch_size=1, learning_rate=1.0, num_iterations=110, decay="cosine", warmup_iterations=10
    )
    factors = [learning_rate_factor(schedule, i) for i in range(111)]
    assert factors[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert factors[10] == 1.0
    assert factors[60] == pytest.approx(0.5)
    assert factors[110] == pytest.approx(0.0)
    assert factors[10:] == sorted(factors[10:], reverse=True)


def test_a_tenth_after_each_step() -> None:
    schedule = Schedule(
        batch_size=1, learning_rate=1.0, num_iterations=30, steps=(10, 20), warmup_iterations=0
    )
    assert [learning_rate_factor(schedule, i) for i in (9, 10, 20)] == pytest.approx([1, 0.1, 0.01])
