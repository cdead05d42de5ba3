"""The feasibility matrix as tables: a grid to read, and one row per cell."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from detbench.sweeping.search import CellState, Row, states

_MIB = 1 << 20


def cells(
    rows: Sequence[Row], gpu_profile: str, *, compute_slices: int | None = None
) -> pd.DataFrame:
    """One row per cell; throughput is also given per compute slice, if the profile has slices."""
    found = []
    for row in rows:
        for size, state in states(row).items():
            speed = state.images_per_second
            predicted = row.predictions.get(size)
            found.append(
                {
                    "model": row.model,
                    "mode": row.mode,
                    "batch size": size,
                    "gpu profile": gpu_profile,
                    "status": state.status,
                    "source": state.source,
                    "implied by": state.by,
                    "cause": state.cause,
                    "images/s": speed,
                    "images/s per compute slice": speed / compute_slices
                    if speed is not None and compute_slices
                    else None,
                    "peak memory (MiB)": _mib(state.peak_bytes),
                    "predicted low (MiB)": _mib(predicted.low_bytes if predicted else None),
                    "predicted high (MiB)": _mib(predicted.high_bytes if predicted else None),
                    "predicted to fit": row.says_fit(size),
                    "time (s)": state.seconds,
                    "run": state.run,
                }
            )
    table = pd.DataFrame(found)
    return table.astype({"implied by": "Int64"})


def grid(rows: Sequence[Row]) -> pd.DataFrame:
    """One row per model and mode, one column per batch size."""
    several_modes = len({row.mode for row in rows}) > 1
    lines = []
    for row in rows:
        line = {"model": row.model, **({"mode": row.mode} if several_modes else {})}
        for size, state in states(row).items():
            fits = row.says_fit(size) if state.status == "not tried" else None
            guess = "" if fits is None else f", predicted {'to fit' if fits else 'oom'}"
            line[f"bs{size}"] = cell_text(state) + guess
        lines.append(line)
    return pd.DataFrame(lines)


def cell_text(state: CellState) -> str:
    """A cell in a few words: its state, and its source if it was not measured."""
    match state.source:
        case "measured" if state.images_per_second is not None:
            word = state.cause.partition(":")[0]  # of a run that fits, a note: partly on the CPU
            return f"{state.images_per_second:.4g} img/s" + (f" ({word})" if word else "")
        case "implied":
            return f"{state.status} (implied by {state.by})"
        case "predicted":
            return f"{state.status} (predicted)"
    return state.status


def causes(rows: Sequence[Row]) -> list[str]:
    """Why cells do not fit or were not tried: one line per cell, each cause once per row."""
    lines = []
    for row in rows:
        said: set[str] = set()
        for size, state in states(row).items():
            if state.source in ("measured", "none", "predicted") and state.cause not in ("", *said):
                said.add(state.cause)
                lines.append(f"{row.model} bs{size} {row.mode}: {state.status}: {state.cause}")
    return lines


def _mib(size: int | None) -> float | None:
    return None if size is None else size / _MIB
