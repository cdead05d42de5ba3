import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detbench.readers.numbers import Notation, parse_numbers


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
