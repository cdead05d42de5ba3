import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detbench.utilization.intervals import busy_time, gaps, self_times


def busy(*intervals: tuple[int, int], within: tuple[int, int] | None = None) -> int:
    array = np.array(intervals, np.int64).reshape(-1, 2)
    return busy_time(array[:, 0], array[:, 1], within)


def test_overlapping_streams_count_once() -> None:
    # [0, 10) and [5, 15) cover 15, [20, 30) covers 10.
    assert busy((0, 10), (5, 15), (20, 30)) == 25


def test_an_interval_inside_another_adds_nothing() -> None:
    assert busy((0, 100), (10, 20), (90, 100)) == 100


def test_order_does_not_matter() -> None:
    assert busy((20, 30), (0, 10), (5, 15)) == 25


def test_intervals_are_cut_at_the_windows_edges() -> None:
    # Of [0, 10) the window keeps 5, of [18, 40) it keeps 2, and [30, 40) lies outside.
    assert busy((0, 10), (18, 40), (30, 40), within=(5, 20)) == 7


def test_a_zero_length_interval_covers_nothing() -> None:
    assert busy((5, 5)) == 0
    assert busy((5, 5), (4, 6)) == 2


def test_nothing_is_busy_for_no_time() -> None:
    assert busy() == 0


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=30))
def test_the_union_is_what_counting_ticks_gives(pairs: list[tuple[int, int]]) -> None:
    intervals = [(start, start + length) for start, length in pairs]
    ticks = {tick for start, end in intervals for tick in range(start, end)}
    assert busy(*intervals) == len(ticks)


def test_gaps_are_what_no_interval_covers_edges_included() -> None:
    # In [0, 100): before 10, between 30 and 60, and after 90.
    start, end = np.array([10, 20, 60]), np.array([25, 30, 90])
    assert gaps(start, end, (0, 100)).tolist() == [10, 30, 10]


def test_an_empty_window_is_one_gap() -> None:
    nothing = np.array([], np.int64)
    assert gaps(nothing, nothing, (5, 25)).tolist() == [20]


def test_a_caller_counts_without_what_it_calls() -> None:
    # conv [0, 100) calls bias [10, 30), which calls add [15, 20); relu [100, 130) follows.
    start = np.array([0, 10, 15, 100])
    duration = np.array([100, 20, 5, 30])
    assert self_times(start, duration).tolist() == [80, 15, 5, 30]


def test_a_callee_that_starts_with_its_caller_is_still_the_callee() -> None:
    start, duration = np.array([0, 0]), np.array([10, 50])
    assert self_times(start, duration).tolist() == [10, 40]
