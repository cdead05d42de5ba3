"""Panoptic quality (Kirillov et al., 2019, "Panoptic Segmentation")."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detbench.datasets.panoptic import Segment

Numbers = NDArray[np.int32]


@dataclass
class Tally:
    """The matched and unmatched segments of one category."""

    overlap: float = 0.0  # the sum of the IoUs of matched segments
    matched: int = 0
    wrong: int = 0
    missed: int = 0

    def add(self, other: Tally) -> None:
        """Add another tally."""
        self.overlap += other.overlap
        self.matched += other.matched
        self.wrong += other.wrong
        self.missed += other.missed


def tally(
    predicted: Numbers,
    categories: Mapping[int, int],
    truth: Numbers,
    segments: Sequence[Segment],
) -> dict[int, Tally]:
    """Match the segments of one image; returns tallies by category.

    A predicted and a true segment of a category match if their IoU, without void pixels, is above
    one half. A prediction of which more than half is void pixels or a crowd of its category
    counts neither way.

    Args:
        predicted: the predicted segments' numbers, (H, W).
        truth: the true segments' numbers, (H, W); 0 is void.
        categories: of the predicted segments, by number.
        segments: the true segments.
    """
    found: defaultdict[int, Tally] = defaultdict(Tally)
    shared = _shared(predicted, truth)
    areas = _areas(predicted)
    true_areas = _areas(truth)
    matched_true: set[int] = set()
    matched: set[int] = set()
    for segment in (s for s in segments if not s.iscrowd):
        for number, category in categories.items():
            common = shared.get((number, segment.id), 0)
            if category != segment.category_id or not common:
                continue
            union = areas[number] + true_areas[segment.id] - common - shared.get((number, 0), 0)
            if common / union > 0.5:
                found[category].overlap += common / union
                found[category].matched += 1
                matched_true.add(segment.id)
                matched.add(number)
    for segment in segments:
        if not segment.iscrowd and segment.id not in matched_true:
            found[segment.category_id].missed += 1
    for number, category in categories.items():
        if number in matched or number not in areas:
            continue
        crowds = [s.id for s in segments if s.iscrowd and s.category_id == category]
        ignored = sum(shared.get((number, other), 0) for other in (0, *crowds))
        if ignored / areas[number] <= 0.5:
            found[category].wrong += 1
    return dict(found)


def _shared(predicted: Numbers, truth: Numbers) -> dict[tuple[int, int], int]:
    """The number of pixels shared by each predicted and true segment."""
    pairs = predicted.astype(np.int64).ravel() << 32 | truth.astype(np.int64).ravel()
    values, counts = np.unique(pairs, return_counts=True)
    return {
        (int(v) >> 32, int(v) & 0xFFFFFFFF): int(c) for v, c in zip(values, counts, strict=True)
    }


def _areas(numbers: Numbers) -> dict[int, int]:
    values, counts = np.unique(numbers, return_counts=True)
    return {int(v): int(c) for v, c in zip(values, counts, strict=True)}


def quality(tallies: Iterable[Mapping[int, Tally]], things: Iterable[int]) -> dict[str, float]:
    """PQ, SQ and RQ in percent, as means over the categories; also PQ of things and of stuff.

    NaN if there is no category to average.
    """
    totals: defaultdict[int, Tally] = defaultdict(Tally)
    for found in tallies:
        for category, one in found.items():
            totals[category].add(one)
    are_things = set(things)
    seen = {c: t for c, t in totals.items() if t.matched + t.wrong + t.missed}
    recognized = {c: t.matched / (t.matched + t.wrong / 2 + t.missed / 2) for c, t in seen.items()}
    segmented = {c: t.overlap / t.matched if t.matched else 0.0 for c, t in seen.items()}
    both = {c: segmented[c] * recognized[c] for c in seen}
    return {
        "PQ": _mean(both.values()),
        "SQ": _mean(segmented.values()),
        "RQ": _mean(recognized.values()),
        "PQ_th": _mean(value for c, value in both.items() if c in are_things),
        "PQ_st": _mean(value for c, value in both.items() if c not in are_things),
    }


def _mean(shares: Iterable[float]) -> float:
    values = list(shares)
    return 100 * sum(values) / len(values) if values else float("nan")
