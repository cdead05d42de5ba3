"""The cells that a sweep leaves undecided, as the error shown to its user."""

from __future__ import annotations

from pathlib import Path

from detbench.errors import DetbenchError, RunFailedError
from detbench.sweeping.running import Sweep
from detbench.sweeping.search import states


def problem(sweep: Sweep) -> DetbenchError | None:
    """Why a cell is not known to fit or to run out of memory; None if every cell is decided.

    A refusal is named first, as it is the cause of a whole row.
    """
    for error in sweep.refused.values():
        return error
    bad = [
        (row, size, state)
        for row in sweep.rows()
        for size, state in states(row).items()
        if state.status in ("failed", "timeout")
    ]
    if not bad:
        return None
    row, size, state = bad[0]
    more = f" ({len(bad)} cells)" if len(bad) > 1 else ""
    return RunFailedError(
        f"{row.model} batch size {size}: {state.status}: {state.cause}{more}",
        f"see {Path(state.run) / 'output.log'}; the same command tries it again",
    )
