"""Tells apart GPUs whose samples have one name, such as those of a file without an index.

One GPU has one sample at a time. Where every time comes equally often, so many GPUs were sampled,
and their order tells them apart. Where nothing numbers the GPUs, the calls of one moment may be
milliseconds apart: bunches of equal size are those moments.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

AT_ONCE = "samples at the same time: several GPUs of one name, or a coarse clock"
NEARLY_AT_ONCE = "samples milliseconds apart: several GPUs of one name, which nothing tells apart"
"""The notes of samples that may be of several GPUs."""

_FEWEST = 3  # bunches that make a pattern
_NEAR = 0.25  # of the gap between two bunches
_TOGETHER = 0.1  # seconds: the calls of one moment follow each other at once


def apart(
    samples: pd.DataFrame, *, is_numbered: bool, is_first: npt.NDArray[np.bool_]
) -> pd.DataFrame:
    """The samples, with a name for each GPU and a note for those whose names do not tell.

    Args:
        samples: rows in the order of the file.
        is_numbered: whether the file names a GPU by what only one has: its index, UUID or bus.
        is_first: which rows are the first ones below a header.
    """
    names, notes = samples["gpu"].to_numpy(object).copy(), samples["note"].to_numpy(object).copy()
    times = samples["time (s)"].to_numpy()
    for gpu in samples["gpu"].unique():
        rows = np.flatnonzero(samples["gpu"] == gpu)
        order = rows[np.argsort(times[rows], kind="stable")]
        gaps = np.diff(times[order])
        if np.isnan(times[rows]).all() and not is_numbered:
            size = _bunch(~is_first[rows][1:], fewest=2)
            if size > 1:
                place = np.arange(len(rows)) % size + 1
                names[rows] = [f"{gpu} ({number} of {size})" for number in place]
                notes[rows] = f"{size} samples below every header: {size} GPUs, told by their order"
        if np.isnan(times[rows]).any() or not len(gaps):
            continue
        is_near = gaps < min(_TOGETHER, _NEAR * gaps.max())
        size = _bunch(gaps == 0, fewest=1)
        if size == 1 and not is_numbered:
            size = _bunch(is_near, fewest=_FEWEST)
        if size > 1:
            place = np.arange(len(order)) % size + 1
            names[order] = [f"{gpu} ({number} of {size})" for number in place]
            notes[order] = (
                f"{size} samples of one name at every time: {size} GPUs, told by their order"
            )
        elif not gaps.all():
            notes[order] = AT_ONCE
        elif is_near.any() and not is_numbered:
            notes[order] = NEARLY_AT_ONCE
    return samples.assign(gpu=pd.Series(names, dtype="str"), note=pd.Series(notes, dtype="str"))


def _bunch(is_near: npt.NDArray[np.bool_], fewest: int) -> int:
    """The size of bunches, if all have the same size; else 1. The last may be incomplete.

    Args:
        is_near: whether a sample belongs to the bunch of the one before it, from the second on.
        fewest: the number of bunches that there have to be.
    """
    starts = np.flatnonzero(np.concatenate([[True], ~is_near]))
    sizes = np.diff([*starts, len(is_near) + 1])
    whole = sizes[:-1] if len(sizes) > 2 else sizes  # two moments alone make no pattern
    is_even = len(sizes) >= fewest and (whole == sizes[0]).all() and sizes[-1] <= sizes[0]
    return int(sizes[0]) if is_even else 1
