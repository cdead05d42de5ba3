"""A feasibility matrix beside the runs that decided it: as a CSV file and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd

from detbench.errors import MissingError
from detbench.reporting.heat_map import draw
from detbench.reporting.tables import render
from detbench.sweeping.search import Row


def keep_table(cells: pd.DataFrame, folder: Path) -> Path:
    """Write the cells into a new CSV file of `folder`.

    Raises:
        MissingError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = _free_name(folder)
        with path.open("x", encoding="utf-8") as stream:  # never over a file that is there
            stream.write(render(cells, "csv") + "\n")
    except OSError as error:
        raise MissingError(
            f"{error.filename or folder} cannot be written: {error.strerror}",
            "free some space, or pass --results with a folder of yours",
        ) from error
    return path


def keep_picture(rows: Sequence[Row], gpu_profile: str, table: Path) -> tuple[Path | None, str]:
    """Draw the matrix beside its table; the picture, or None and why there is none.

    Raises:
        UsageError: it cannot be written.
    """
    path = table.with_suffix(".png")
    try:
        draw(rows, gpu_profile, path)
    except MissingError as error:
        return None, str(error)
    return path, ""


def _free_name(folder: Path) -> Path:
    stem = f"feasibility_{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
    names = (stem if n == 1 else f"{stem}-{n}" for n in range(1, 1000))
    free = (name for name in names if not any(folder.glob(f"{name}.*")))
    return folder / f"{next(free)}.csv"
