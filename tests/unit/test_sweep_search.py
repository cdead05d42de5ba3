"""Which runs decide a row of the feasibility matrix; the trainings are an oracle's answers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detbench.sweeping.search import (
    CellState,
    Prediction,
    Row,
    next_to_try,
    runs_left,
    states,
)

GIB = 1 << 30
SIZES = (1, 2, 4, 8, 16, 32, 64)
FITS, OOM = CellState("fits", "measured"), CellState("oom", "measured", "no memory")


def row(sizes: tuple[int, ...] = SIZES, **known: object) -> Row:
    return Row("m", "noprofile", sizes, **known)  # type: ignore[arg-type]


def searched(start: Row, largest: int, broken: tuple[int, ...] = ()) -> Row:
    """The row after the runs that the search asks for, on a machine where `largest` still fits."""
    while (size := next_to_try(start)) is not None:
        assert size not in start.measured
        state = FITS if size <= largest else OOM
        if size in broken:
            state = CellState("failed", "measured", "broken")
        start = replace(start, measured={**start.measured, size: state})
    return start


def words(found: Row) -> list[str]:
    return [f"{s.status} {s.source}" for s in states(found).values()]


def gib(*intervals: tuple[float, float]) -> dict[int, Prediction]:
    return {
        size: Prediction(int(low * GIB), int(high * GIB))
        for size, (low, high) in zip(SIZES, intervals, strict=False)
    }


def test_a_fit_decides_all_smaller_and_an_oom_all_larger_ones() -> None:
    found = row((1, 2, 4, 8), measured={2: FITS, 4: OOM})
    assert words(found) == ["fits implied", "fits measured", "oom measured", "oom implied"]
    assert states(found)[1].by == 2
    assert states(found)[8].cause == "as batch size 4 ran out of memory"
    assert next_to_try(found) is None


def test_a_failure_decides_only_itself() -> None:
    found = row((1, 2, 4), measured={2: CellState("failed", "measured", "crash")})
    assert words(found) == ["not tried none", "failed measured", "not tried none"]


def test_two_that_disagree_leave_what_is_between_to_be_measured() -> None:
    found = row((1, 2, 4, 8, 16), measured={2: OOM, 8: FITS})
    assert words(found) == [
        "fits implied", "oom measured", "not tried none", "fits measured", "oom implied",
    ]  # fmt: skip
    assert next_to_try(found) == 4


def test_seven_batch_sizes_take_three_runs_without_a_prediction() -> None:
    for largest in (0, *SIZES):
        assert len(searched(row(), largest).measured) == 3
    assert runs_left(row()) == 3


def test_what_is_predicted_to_fit_is_tried_first_and_then_the_next_larger() -> None:
    predicted = row((1, 2, 4, 8), predictions=gib((1, 1), (2, 2), (4, 4), (8.2, 8.2)),
                    capacity_bytes=8 * GIB)  # fmt: skip
    assert next_to_try(predicted) == 4
    predicted = replace(predicted, measured={4: FITS})
    assert next_to_try(predicted) == 8
    assert words(searched(predicted, 4))[2:] == ["fits measured", "oom measured"]


def test_what_is_surely_too_large_is_not_run_unless_it_is_to_be_confirmed() -> None:
    # 8.9 GiB at least of 8 GiB: more than 1.1 times as much
    predicted = row((1, 2, 4), predictions=gib((1, 2), (4, 5), (8.9, 10)), capacity_bytes=8 * GIB)
    assert runs_left(predicted) == 1
    found = searched(predicted, 2)
    assert list(found.measured) == [2]
    assert words(found) == ["fits implied", "fits measured", "oom predicted"]
    assert states(found)[4].cause == "needs at least 9,114 MiB, and 8,192 MiB are available"
    assert list(searched(replace(predicted, confirm=True), 2).measured) == [2, 4]


def test_a_prediction_is_not_believed_before_what_it_says_fits_does() -> None:
    predicted = row((1, 2, 4), predictions=gib((1, 2), (4, 5), (9, 10)), capacity_bytes=8 * GIB)
    failed = replace(predicted, measured={2: CellState("failed", "measured")})
    assert states(failed)[4].status == "not tried"
    assert next_to_try(failed) == 4


@pytest.mark.parametrize(("largest", "runs"), [(0, 1), (64, 1), (4, 2)])
def test_a_right_prediction_takes_one_run_or_two(largest: int, runs: int) -> None:
    needs = {size: Prediction(size * GIB, size * GIB) for size in SIZES}
    predicted = row(predictions=needs, capacity_bytes=int((largest + 0.95) * GIB), confirm=True)
    assert runs_left(predicted) == runs
    assert len(searched(predicted, largest).measured) == runs


def test_right_predictions_take_no_more_than_one_and_a_half_runs_a_row() -> None:
    """Capacities spread evenly over a doubling; intervals of 10 % on either side."""
    counts = []
    for step in range(100):
        capacity = 6 * GIB * 2 ** (step / 100)  # between what batch sizes 4 and 8 need, or so
        needs = {size: (1 + 0.7 * size) * GIB for size in SIZES}
        predictions = {
            size: Prediction(int(0.9 * need), int(1.1 * need)) for size, need in needs.items()
        }
        largest = max(size for size in SIZES if needs[size] <= capacity)
        found = searched(row(predictions=predictions, capacity_bytes=int(capacity)), largest)
        counts.append(len(found.measured))
        assert states(found)[largest].status == "fits"
    assert sum(counts) / len(counts) <= 1.5


def test_a_refused_row_is_not_tried_and_says_why() -> None:
    found = row((1, 2), measured={}, refused="no dataset")
    assert next_to_try(found) is None
    assert runs_left(found) == 0
    assert [s.cause for s in states(found).values()] == ["no dataset", "no dataset"]


batch_sizes = st.lists(st.integers(1, 512), min_size=1, max_size=12, unique=True).map(
    lambda sizes: tuple(sorted(sizes))
)


@given(batch_sizes, st.integers(0, 600))
def test_the_matrix_is_the_machines(sizes: tuple[int, ...], largest: int) -> None:
    found = searched(row(sizes), largest)
    assert len(found.measured) <= math.ceil(math.log2(len(sizes))) + 1
    for size, state in states(found).items():
        assert state.status == ("fits" if size <= largest else "oom")


@given(batch_sizes, st.integers(0, 600), st.data())
def test_a_wrong_prediction_costs_runs_but_no_truth(
    sizes: tuple[int, ...], largest: int, data: st.DataObject
) -> None:
    needs = data.draw(st.lists(st.integers(1, 100), min_size=len(sizes), max_size=len(sizes)))
    predictions = {size: Prediction(n, 2 * n) for size, n in zip(sizes, sorted(needs), strict=True)}
    found = searched(
        row(sizes, predictions=predictions, capacity_bytes=data.draw(st.integers(1, 100))), largest
    )
    assert len(found.measured) <= math.ceil(math.log2(len(sizes))) + 3
    for size, state in states(found).items():
        if state.source != "predicted":
            assert state.status == ("fits" if size <= largest else "oom")


@given(batch_sizes, st.integers(0, 600), st.data())
def test_failures_are_left_standing_and_the_rest_is_decided(
    sizes: tuple[int, ...], largest: int, data: st.DataObject
) -> None:
    broken = tuple(data.draw(st.sets(st.sampled_from(sizes))))
    for size, state in states(searched(row(sizes), largest, broken)).items():
        if state.status == "failed":
            assert size in broken
        else:
            assert state.status == ("fits" if size <= largest else "oom")
