"""Predicted training memory against detectron2's published figures: `python perf/fit.py`.

Leave-one-out: the only calibrated term (cuDNN's workspaces) is taken from all other models, and
the model's own figure is predicted with it. Prints each error, the median and the largest error,
and the same without that term, that is, for the tensors alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from detbench.fitting.calibration import predicted, published
from detbench.fitting.footprints import architecture
from detbench.reporting.tables import render

_GIB = 1 << 30


def main() -> None:
    """Print the table and its summary."""
    rows = published()
    guesses = [predicted(row, [other for other in rows if other is not row]) for row in rows]
    table = pd.DataFrame(
        {
            "model": [architecture(row.model) for row in rows],
            "published (GiB)": [row.allocated / _GIB for row in rows],
            "tensors (GiB)": [row.tensors / _GIB for row in rows],
            "predicted (GiB)": [guess / _GIB for guess in guesses],
            "error (%)": [
                100 * (guess / row.allocated - 1) for guess, row in zip(guesses, rows, strict=True)
            ],
        }
    )
    print(render(table, "table", title="Leave-one-out, one row per architecture"))
    for name, column in (("predicted", "predicted (GiB)"), ("tensors alone", "tensors (GiB)")):
        errors = 100 * np.abs(table[column] / table["published (GiB)"] - 1)
        print(f"{name}: median error {errors.median():.1f} %, largest {errors.max():.1f} %")


if __name__ == "__main__":
    main()
