"""Tables that are wider than the place they are printed in."""

import pandas as pd

from detbench.reporting.tables import render

WIDE = pd.DataFrame(
    {
        "training": [1, 1],
        "iteration": [499, 999],
        **{f"box AP-{name}": [12.34, 56.78] for name in map("category{}".format, range(30))},
    }
)


def test_a_wide_table_is_folded_between_its_columns() -> None:
    lines = render(WIDE, "table", title="Evaluations").splitlines()
    assert max(map(len, lines)) <= 200
    # Every number stands whole, every row says which one it is.
    rows = [line.split() for line in lines if line.split()[:2] in (["1", "499"], ["1", "999"])]
    assert len(rows) > 2
    assert sum(row[2:].count("12.34") for row in rows) == 30
    assert sum(row[2:].count("56.78") for row in rows) == 30


def test_a_table_that_fits_is_one() -> None:
    lines = render(WIDE[["training", "iteration"]], "table").splitlines()
    assert sum("iteration" in line for line in lines) == 1


def test_no_column_is_squeezed_out_of_the_page() -> None:
    """As wide as may be without being folded: names wrap, and the last column is there."""
    for count in range(10, 24):
        names = [f"of a long name {n}" for n in range(count)]
        table = pd.DataFrame({"file": ["metrics.json"]} | {name: [123456.7] for name in names})
        text = render(table, "table")
        assert text.count("123,456.7") == count
        assert max(map(len, text.splitlines())) <= 200


def test_texts_fold_and_numbers_do_not() -> None:
    table = pd.DataFrame({"kernel": ["x" * 300], "total (ms)": [123456.7]})
    text = render(table, "table")
    assert "123,456.7" in text
    assert text.count("x") == 300
