"""What repeats tell together, against figures worked out by hand."""

import math

import pytest

from detbench.utilization.repeats import interval, ratio, scaling_efficiency


def test_one_value_has_no_spread() -> None:
    assert interval([5.0]) == (5.0, None)


def test_a_95_percent_interval() -> None:
    # Of 9, 10 and 11 the deviation is 1; t for two degrees of freedom is 4.303.
    mean, half = interval([9.0, 10.0, 11.0])
    assert mean == 10.0
    assert half == pytest.approx(4.303 / 3**0.5)


def test_many_values_are_nearly_normal() -> None:
    values = [0.0, 2.0] * 50  # a deviation of sqrt(100/99)
    mean, half = interval(values)
    assert mean == 1.0
    assert half == pytest.approx(1.96 * (100 / 99) ** 0.5 / 10, rel=1e-4)


def test_scaling_efficiency() -> None:
    assert scaling_efficiency(30.0, 10.0, 4) == 0.75


def powers(*exponents: float) -> list[float]:
    return [math.exp(exponent) for exponent in exponents]


def test_a_ratio_of_two_repeats_each() -> None:
    # In logarithms both vary by 0.0002, s^2 / n is 0.0001 each: two degrees of freedom, t 4.303.
    found = ratio(powers(0.50, 0.52), powers(0.00, 0.02))
    half = 4.303 * 0.0002**0.5
    assert found.value == pytest.approx(math.exp(0.5))
    assert (found.low, found.high) == pytest.approx((math.exp(0.5 - half), math.exp(0.5 + half)))


def test_degrees_of_freedom_are_rounded_down() -> None:
    # s^2 / n is 0.01 for the three and for the two: 0.02^2 / (0.01^2 / 2 + 0.01^2) = 2.67.
    found = ratio(powers(-(0.03**0.5), 0, 0.03**0.5), powers(-0.1, 0.1))
    assert found.value == pytest.approx(1)
    assert found.high == pytest.approx(math.exp(4.303 * 0.02**0.5))


def test_an_inverse_ratio_has_the_inverse_interval() -> None:
    there, back = ratio([3.0, 3.3, 3.1], [2.0, 2.5]), ratio([2.0, 2.5], [3.0, 3.3, 3.1])
    assert there.low is not None
    assert back.high == pytest.approx(1 / there.low)


def test_one_repeat_or_copies_tell_no_interval() -> None:
    assert ratio([2.0], [1.0, 1.1]).why_none == "1 repeat"
    copies = ratio([2.0, 2.0], [1.0, 1.0])
    assert (copies.value, copies.low) == (2.0, None)
    assert "copies" in copies.why_none
