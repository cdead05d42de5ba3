import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detbench.readers.numbers import (
    Notation,
    finite,
    impossible,
    integer,
    moment,
    parse_numbers,
    seconds,
    whole,
)  # fmt: skip


def test_grouped_digits_and_decimal_points() -> None:
    assert parse_numbers(["1,275,068", "17.5", "1,000"]) == [1275068, 17.5, 1000]


def test_decimal_commas() -> None:
    assert parse_numbers(["9,00", "1.275.068,5", "1.000"]) == [9, 1275068.5, 1000]


def test_a_cell_that_could_be_both_is_decided_by_the_others() -> None:
    assert parse_numbers(["1,234", "0.5"]) == [1234, 0.5]
    assert parse_numbers(["1,234", "0,50"]) == [1.234, 0.5]


def test_a_cell_that_could_be_both_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="'1,234' could be grouped or have a decimal comma"):
        parse_numbers(["1,234", "7"])


def test_both_notations_in_one_file_are_refused() -> None:
    with pytest.raises(ValueError, match="some numbers have decimal commas"):
        parse_numbers(["9,00", "17.5"])


def test_not_available_is_not_zero() -> None:
    assert math.isnan(parse_numbers(["n/a", "1.5"])[0])


def test_a_word_is_no_number() -> None:
    with pytest.raises(ValueError, match="'High' is not a number"):
        parse_numbers(["High", "1.5"])


@given(st.lists(st.integers(0, 10**12), min_size=1), st.floats(0, 100))
def test_what_a_us_locale_writes_is_read_back(integers: list[int], share: float) -> None:
    cells = [f"{value:,}" for value in integers]
    assert parse_numbers([*cells, f"{share:.2f}"])[:-1] == integers


CELLS = st.lists(
    st.sampled_from(["7", "1.5", "1.234", "1,234", "9,00", "1,234,567", "1.234.567", "n/a", "x"])
)


@given(CELLS, st.integers(1, 4))
def test_cells_in_blocks_are_read_as_all_at_once(cells: list[str], size: int) -> None:
    notation = Notation()
    blocks = [cells[first : first + size] for first in range(0, len(cells), size)]
    try:
        at_once = parse_numbers(cells)
    except ValueError:
        with pytest.raises(ValueError, match=r"number|could be"):
            [notation.settled(read) for read in [notation.read(block) for block in blocks]]
        return
    read = [notation.read(block) for block in blocks]
    numbers = [number for block in read for number in notation.settled(block)]
    assert numbers == pytest.approx(at_once, nan_ok=True)


BAD = ["9" * 25, "9" * 400, "1e400", "inf", "nan", "", "1.5", "-", "0x10", "1_0", "\u00b2"]


@pytest.mark.parametrize("cell", BAD)
def test_a_whole_number_has_no_more_digits_than_it_can(cell: str) -> None:
    with pytest.raises(ValueError, match=r"is not a whole number|is no time"):
        integer(cell)


def test_a_time_since_an_epoch_keeps_all_its_digits() -> None:
    assert integer("1700000000000000001") == 1_700_000_000_000_000_001
    assert moment(-(2**62) + 1) == -(2**62) + 1


@pytest.mark.parametrize("number", [-1.0, 2.0**53, math.inf, math.nan])
def test_a_length_of_time_is_none_of_these(number: float) -> None:
    with pytest.raises(ValueError, match=r"out of range|no number in it"):
        whole(number)


@pytest.mark.parametrize("number", [2.0**62, -math.inf, math.nan])
def test_a_moment_is_none_of_these(number: float) -> None:
    with pytest.raises(ValueError, match=r"no time|no number in it"):
        moment(number)


@pytest.mark.parametrize("text", ["-0.5", "1e400", "inf", "nan", "9" * 20])
def test_seconds_are_none_of_these(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        seconds(text)


def test_a_figure_may_be_missing_but_not_infinite() -> None:
    assert math.isnan(finite("nan"))
    with pytest.raises(ValueError, match="1e400 is not a figure"):
        finite("1e400")


def test_what_ran_has_an_end_behind_its_start() -> None:
    times = np.array([[0, 1], [5, 4], [-(2**63), 0], [0, 2**63 - 1], [0, 2**53 + 1]])
    assert impossible(*times.T).tolist() == [False, True, True, True, True]
