"""Iterations that a program numbered in its own way: `step 29`, `iter_12`, `epoch 0 batch 7`.

Ranges whose names differ only in numbers are a family, called by its name with N for each number.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from detbench.readers.timeline import Timeline
from detbench.utilization.intervals import union
from detbench.utilization.window import ITERATION, NUMBER, iterations, no_range, own_ranges, work_of

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_ITERATION_WORDS = {
    "iter", "iters", "iteration", "iterations", "step", "steps", "batch", "minibatch", "it"
}  # fmt: skip
# What is numbered within an iteration, or holds many: iterations only where nothing else is.
_OTHER_WORDS = {
    "epoch", "layer", "layers", "stage", "block", "bucket", "op", "seq", "rank", "worker", "head",
    "level", "micro", "microbatch", "chunk", "param", "grad", "fold", "trial", "cycle", "loop",
}  # fmt: skip


class Family(NamedTuple):
    """Numbered ranges of one name.

    Attributes:
        name: with N for each number.
        ranges: in the order of their starts.
        order: the smaller, the more likely they are the iterations.
    """

    name: str
    ranges: pd.DataFrame
    order: tuple[float, ...]


def families(timeline: Timeline, device: str) -> list[Family]:
    """The families of ranges that may be the iterations of a device, the likeliest first.

    That is the one whose name says so (step, iteration, batch), then one that says something else
    than a part of an iteration (layer) or a sum of them (epoch). Among several it is the one in
    which most kernels began, and of nested ones the outer one, which takes longer.
    """
    names = timeline.ranges["name"]
    ranges = own_ranges(timeline, device, names.str.contains(NUMBER))
    folded = ranges["name"].str.replace(NUMBER, "N", regex=True)
    kernels = np.sort(work_of(timeline, device)["start (ns)"].to_numpy())
    found = []
    for name, group in ranges.groupby(folded, sort=False):
        word = _word(str(name), group)
        if group["name"].nunique() > 1 or word <= 0:
            start = group["start (ns)"].to_numpy()
            first, last = union(start, start + group["duration (ns)"].to_numpy())
            begun = np.searchsorted(kernels, last) - np.searchsorted(kernels, first)
            order = (word, -int(begun.sum()), -int((last - first).sum()), len(group))
            found.append(Family(str(name), group, order))
    return sorted(found, key=lambda family: family.order)


def iterations_of(timeline: Timeline, device: str, name: str | None) -> pd.DataFrame:
    """The iterations of a device, of the known names or the likeliest family, or the ranges `name`.

    Raises:
        ValueError: there are none.
    """
    steps = iterations(timeline, device, name)
    if steps.empty and name is not None:
        raise no_range(timeline, name)
    if steps.empty:
        found = families(timeline, device)
        if not found:
            raise ValueError("it names no iteration; --range takes the ranges of any name")
        steps = found[0].ranges
    return steps


def note_of(timeline: Timeline, device: str) -> str:
    """Which ranges stand for iterations, where that is not said by a known name alone."""
    found = families(timeline, device)
    if not found:
        return ""
    chosen, *others = found
    if not others and _is_known(chosen.ranges):
        return ""
    note = f"iterations are the ranges '{chosen.name}' ({len(chosen.ranges):,})"
    if others:
        told = ", ".join(f"'{each.name}' ({len(each.ranges):,})" for each in others[:3])
        more = f" and {len(others) - 3:,} more" if others[3:] else ""
        note += f"; also numbered: {told}{more}; --range NAME takes another"
    return note


def _word(name: str, ranges: pd.DataFrame) -> int:
    """How far a name says that its ranges are iterations: the smaller, the more."""
    words = {word.lower() for word in _WORD.findall(name.replace("N", " "))}
    if _is_known(ranges):
        return -1
    if words & _ITERATION_WORDS and "micro" not in words:
        return 0
    return 2 if words & _OTHER_WORDS else 1


def _is_known(ranges: pd.DataFrame) -> bool:
    return bool(ITERATION.fullmatch(ranges["name"].iloc[0]))
