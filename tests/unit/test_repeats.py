"""What repeats tell together, against figures worked out by hand."""

import pytest

from detbench.utilization.repeats import interval, scaling_efficiency


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
