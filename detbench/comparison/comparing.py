"""Two sets of runs side by side, as tables and lines for a page or a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import geometric_mean

import pandas as pd

from detbench.comparison import files
from detbench.comparison.parts import largest, memory_parts, time_parts
from detbench.comparison.sides import Side
from detbench.comparison.soft import Soft, soft_numbers
from detbench.comparison.verdicts import Repeats, Verdict, verdicts
from detbench.records.spec import mean_energy
from detbench.records.store import Run

_ENERGY = ("A (J/image)", "B (J/image)")
_NO_PARTS = ("no difference shown",)  # parts of a difference that may be chance mislead


@dataclass(frozen=True)
class Compared:
    """A verdict, and the parts of the difference.

    Attributes:
        time, memory: as `parts.time_parts` and `parts.memory_parts` return them; None if
            nothing was compared, no difference is shown, or they were not measured.
    """

    verdict: Verdict
    time: pd.DataFrame | None = None
    memory: pd.DataFrame | None = None


@dataclass(frozen=True)
class Comparison:
    """The comparison of B with A.

    Attributes:
        soft: soft numbers of the runs that were compared, and of profiles in nsight mode.
        notes: lines about unusable files.
    """

    a: Side
    b: Side
    pairs: tuple[Compared, ...]
    soft: tuple[Soft, ...]
    notes: tuple[str, ...]


def compare(a: Side, b: Side) -> Comparison:
    """Compare two sides; this reads the profiles and monitoring of the runs that differ."""
    notes = files.Notes()
    pairs = tuple(_with_parts(verdict, a, b, notes) for verdict in verdicts(a, b))
    runs = _measured(pairs)
    profiled = [run for side in (a, b) for run in side.runs if run[1].spec.mode == "nsight"]
    soft = soft_numbers(
        [*runs, *profiled],
        files.samples(runs, notes),
        files.core_utilizations(profiled, notes),
    )
    return Comparison(a, b, pairs, tuple(soft), tuple(notes))


TITLES = {
    "verdicts": "Speed of B against A (ratio of images/s, 95 % interval)",
    "time": "Where the time of an iteration goes",
    "memory": "Memory at the peak",
    "soft numbers": "Soft numbers",
}
"""Titles of the tables, in order."""


def tables(comparison: Comparison) -> dict[str, pd.DataFrame]:
    """The tables by their names in `TITLES`; empty ones are left out."""
    pairs = comparison.pairs
    found = {
        "verdicts": _verdict_table(pairs),
        "time": _stacked([(pair.verdict, pair.time) for pair in pairs]),
        "memory": _stacked([(pair.verdict, pair.memory) for pair in pairs]),
        "soft numbers": soft_table(comparison.soft),
    }
    for name, table in found.items():
        table.attrs["title"] = TITLES[name]
    return {name: table for name, table in found.items() if not table.empty}


def _verdict_table(pairs: Sequence[Compared]) -> pd.DataFrame:
    """One row per verdict; images/s are geometric means over the repeats.

    J/image are means, and left out where no side's energy is told.
    """
    rows = []
    for pair in pairs:
        verdict = pair.verdict
        work, found = verdict.either.workload, verdict.ratio
        reason = largest(pair.time) if pair.time is not None and not verdict.because else ""
        rows.append(
            {
                "model": work["model"],
                "batch size": int(work["batch size"]),
                "processes": int(work["processes"]),
                "A (images/s)": _speed(verdict.a),
                "B (images/s)": _speed(verdict.b),
                "A (J/image)": _energy(verdict.a),
                "B (J/image)": _energy(verdict.b),
                "repeats": f"{_count(verdict.a)} / {_count(verdict.b)}",
                "B / A": found and found.value,
                "from (95 %)": found and found.low,
                "to (95 %)": found and found.high,
                "verdict": verdict.outcome,
                "reason": verdict.because or reason,
            }
        )
    if not rows:
        return pd.DataFrame()
    numbers = ("A (images/s)", "B (images/s)", *_ENERGY, "B / A", "from (95 %)", "to (95 %)")
    table = pd.DataFrame(rows).astype(dict.fromkeys(numbers, "float64"))
    told = any(table[name].notna().any() for name in _ENERGY)
    return table if told else table.drop(columns=list(_ENERGY))


def soft_table(soft: Sequence[Soft]) -> pd.DataFrame:
    """One row per soft number."""
    return pd.DataFrame(
        [
            {
                "soft number": found.kind,
                "model": found.record.spec.model,
                "batch size": found.record.spec.batch_size,
                "detail": found.detail,
                "run": str(found.folder),
            }
            for found in soft
        ]
    )


def lines(comparison: Comparison) -> list[str]:
    """The lines below the tables: changed surroundings, soft numbers, unusable files."""
    said = [f"A is {comparison.a.name}, B is {comparison.b.name}"]
    said += [f"changed: {name}: {a} -> {b}" for name, a, b in changes(comparison.pairs)]
    kinds: dict[tuple[str, str, int], list[Soft]] = {}
    for soft in comparison.soft:
        spec = soft.record.spec
        kinds.setdefault((soft.kind, spec.model, spec.batch_size), []).append(soft)
    for (kind, model, size), found in kinds.items():
        runs = f"{len(found)} runs, such as " if len(found) > 1 else ""
        what = f"{model} batch size {size}: {found[0].detail}"
        said.append(f"soft number: {kind}: {what} ({runs}{found[0].folder.name})")
    return said + [f"not used: {note}" for note in comparison.notes]


def changes(pairs: Sequence[Compared]) -> list[tuple[str, str, str]]:
    """Changed surroundings of the compared runs: name, value in A and in B, each once."""
    return list(
        dict.fromkeys(
            (name, a, b)
            for pair in pairs
            if pair.verdict.ratio is not None
            for name, (a, b) in pair.verdict.changed.items()
        )
    )


def _with_parts(verdict: Verdict, a: Side, b: Side, notes: files.Notes) -> Compared:
    if verdict.a is None or verdict.b is None or verdict.ratio is None:
        return Compared(verdict)
    if verdict.outcome in _NO_PARTS:
        return Compared(verdict)
    like = verdict.either.workload
    recorded = files.memory(a, b, like)
    return Compared(
        verdict,
        time_parts(verdict.a, verdict.b, files.profiles(a, b, like, notes)),
        memory_parts(*recorded) if recorded else None,
    )


def _measured(pairs: Sequence[Compared]) -> list[Run]:
    sides = [side for pair in pairs for side in (pair.verdict.a, pair.verdict.b)]
    return [run for side in sides if side is not None for run in side.runs]


def _stacked(parts: Sequence[tuple[Verdict, pd.DataFrame | None]]) -> pd.DataFrame:
    """One table from those of several pairs, with their model, batch size and processes."""
    found = []
    for verdict, table in parts:
        if table is None:
            continue
        work = verdict.either.workload
        names = ("model", "batch size", "processes")
        table = table.copy()
        for place, name in enumerate(names):
            table.insert(place, name, work[name] if name == "model" else int(work[name]))
        found.append(table)
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _speed(repeats: Repeats | None) -> float | None:
    return geometric_mean(repeats.speeds) if repeats else None


def _energy(repeats: Repeats | None) -> float | None:
    return mean_energy(repeats.throughputs) if repeats else None


def _count(repeats: Repeats | None) -> int:
    return len(repeats.runs) if repeats else 0
