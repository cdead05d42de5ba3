"""The memory CSV of the TBD suite's PyTorch profiler: wide, one row per iteration, in whole MB.

`epoch,iteration,peak_allocated,peak_cached,current_cached,total_activation_usage,
total_weight_usage,<parameters>,total_gradient_usage,<parameters>_grad,intermediate_grads`. An MB is
10^6 bytes there. The allocated memory comes from torch's allocator; the parts are sums over all
tensors seen in an epoch, so they may exceed what was allocated at once.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pandas as pd

from detbench.errors import BadFileError
from detbench.readers.memory_csv import SCHEMA
from detbench.readers.text import csv_cells, open_text

HEADER = "epoch,iteration,peak_allocated,peak_cached,current_cached,"
MB = 1_000_000
_WHOLE = re.compile(r"\s*\d{1,9}\s*", re.ASCII)  # up to a petabyte, so that sums fit in int64
TOTALS = {
    "total_activation_usage": "activations",
    "total_weight_usage": "weights",
    "total_gradient_usage": "gradients",
}
_ROUNDED = "(rounded away)"  # each module is rounded to MB, and so is their total
_AGAIN = "copy it again, or run the TBD suite's memory profiler again"


def read_tbd_memory(path: Path) -> pd.DataFrame:
    """Read every row as a snapshot whose parts add up to `peak_allocated`.

    The remainder that no part explains is `unattributed`; if the parts exceed the allocated
    memory, a negative `seen but freed` balances them.

    Raises:
        BadFileError: it is not such a file, holds no row, or a row in it is damaged.
    """
    rows: list[tuple[int, str, str, str, int]] = []
    seen: set[tuple[str, ...]] = set()
    with open_text(path) as stream:
        names = csv_cells(path, stream.readline().rstrip(), "line 1")
        missing = [name for name in TOTALS if name not in names]
        if missing:
            raise BadFileError(path, f"no column {', '.join(missing)}", _AGAIN)
        for number, line in enumerate(stream, 2):
            cells = csv_cells(path, line, f"line {number}")
            if len(cells) != len(names) or not line.endswith("\n"):
                raise BadFileError(path, "the row is cut short", _AGAIN, place=f"line {number}")
            if not all(_WHOLE.fullmatch(cell) for cell in cells):
                raise BadFileError(
                    path, "a cell is not a whole number", _AGAIN, place=f"line {number}"
                )
            iteration = tuple(cells[:2])
            if iteration in seen:
                raise BadFileError(
                    path, "its iteration is in the file twice", _AGAIN, place=f"line {number}"
                )
            seen.add(iteration)
            rows.extend(_parts(names, [int(cell) for cell in cells]))
    if not rows:
        raise BadFileError(path, "no iteration in it", _AGAIN)
    columns = [column.name for column in SCHEMA.columns]
    return SCHEMA.table(dict(zip(columns, zip(*rows, strict=True), strict=True)))


def _parts(names: list[str], cells: list[int]) -> list[tuple[int, str, str, str, int]]:
    epoch, iteration, peak = cells[:3]
    starts = [names.index(name) for name in TOTALS]
    parts: list[tuple[str, str, int]] = []
    # The columns up to the next total are the parts of a total.
    for start, end in pairwise([*starts, len(names)]):
        category = TOTALS[names[start]]
        modules = [
            (names[index].removesuffix("_grad") if category == "gradients" else names[index], value)
            for index, value in enumerate(cells[start + 1 : end], start + 1)
        ]
        rest = cells[start] - sum(value for _, value in modules)
        modules.append((_ROUNDED if modules else "", rest))
        parts += [(category, module, value) for module, value in modules if value]
    rest = peak - sum(value for *_, value in parts)
    parts.append(("unattributed" if rest >= 0 else "seen but freed", "", rest))
    return [
        (iteration, f"epoch {epoch}", category, module, value * MB)
        for category, module, value in parts
    ]
