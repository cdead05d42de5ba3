"""The parts of a difference: waiting for data, kernels by class, idle time, memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean

import pandas as pd

from detbench.comparison.verdicts import Repeats
from detbench.readers.timeline import Timeline
from detbench.utilization.compute import by_name
from detbench.utilization.window import busy_of, devices, window_of, work_of

WAIT = "waiting for data"
_REST = "all but the wait for data"
_IDLE = "idle, and not waiting for data"
_OVERLAP = "counted twice: streams that overlap"
_ITERATION = "iteration"
_SHARE = "share of the difference (%)"
_MIB = 1 << 20


@dataclass(frozen=True)
class Profile:
    """The work of a profiled training on its first device, in ms per iteration.

    Attributes:
        by_class: summed durations by kernel class, or by operator class on a CPU.
        busy: length of the union of all of them.
    """

    by_class: Mapping[str, float]
    busy: float


def profile(timeline: Timeline, num_iterations: int) -> Profile | None:
    """The profile of an iteration from a timeline; None if its window has no work.

    `num_iterations` is the number of profiled iterations, for a file that does not name them.
    """
    found = devices(timeline)
    if not found:
        return None
    window = window_of(timeline, found[0])
    count = window.num_iterations or num_iterations
    busy = busy_of(work_of(timeline, found[0]), window)
    if not busy:
        return None
    classes = by_name(timeline, found[:1], "class")
    times = zip(classes["class"], classes["total (ms)"] / count, strict=True)
    return Profile(dict(times), busy / 1e6 / count)


def time_parts(
    a: Repeats, b: Repeats, profiles: tuple[Profile, Profile] | None = None
) -> pd.DataFrame:
    """Where the time of an iteration goes on both sides, and the parts of the difference.

    The iteration and its wait for data are means over the repeats of the unprofiled runs. With
    `profiles` the rest is split into the kernels of each class and the idle time that remains.
    Idle time is negative if a GPU worked while the loop waited for data, or if profiling slowed
    down the kernels. All other rows add up to the last one.
    """
    parts = [_times(a, profiles and profiles[0]), _times(b, profiles and profiles[1])]
    return _table(parts, "ms", last=_ITERATION)


def memory_parts(a: Mapping[str, int], b: Mapping[str, int]) -> pd.DataFrame:
    """The memory of two runs by category, as their records hold it, in MiB (2^20 bytes).

    Peaks of allocators are not categories: they come last, without a share.
    """
    peaks = [name for name in {**a, **b} if name.endswith(" peak")]
    parts = [
        {name: value / _MIB for name, value in side.items() if name not in peaks} for side in (a, b)
    ]
    table = _table(parts, "MiB", last="total")
    whole = [{name: side[name] / _MIB for name in peaks if name in side} for side in (a, b)]
    return pd.concat([table, _table(whole, "MiB", last="")], ignore_index=True)


def largest(parts: pd.DataFrame) -> str:
    """The part with the largest share of the difference, in a few words; empty if there is none."""
    shares = parts[parts["part"] != _ITERATION].dropna()
    if shares.empty:
        return ""
    part, share = shares.nlargest(1, _SHARE)[["part", _SHARE]].iloc[0]
    return f"{share:.0f} % of it {part}"


def _times(repeats: Repeats, found: Profile | None) -> dict[str, float]:
    """Each part of an iteration, and the whole iteration, in ms."""
    measured = repeats.throughputs
    iteration = mean(1e3 * t.seconds / t.num_iterations for t in measured)
    wait = mean(1e3 * t.seconds / t.num_iterations * t.data_wait_share for t in measured)
    if found is None:
        return {WAIT: wait, _REST: iteration - wait, _ITERATION: iteration}
    twice = round(sum(found.by_class.values()) - found.busy, 6)  # whole ns, like its terms
    overlap = {_OVERLAP: -twice} if twice else {}
    idle = iteration - wait - found.busy
    return {WAIT: wait, **found.by_class, **overlap, _IDLE: idle, _ITERATION: iteration}


def _table(sides: list[dict[str, float]], unit: str, last: str) -> pd.DataFrame:
    """One row per part, largest difference first; shares are of the difference in row `last`."""
    a, b = sides
    names = [name for name in {**a, **b} if name != last]
    # A class without a kernel took no time; a total that was not measured is not 0.
    moved = {name: b.get(name, 0.0) - a.get(name, 0.0) for name in names}
    names.sort(key=lambda name: -abs(moved[name]))
    whole = b[last] - a[last] if last in a and last in b else None
    if whole is not None:
        names.append(last)
        moved[last] = whole
    return pd.DataFrame(
        {
            "part": names,
            f"A ({unit})": [a.get(name, 0.0) for name in names],
            f"B ({unit})": [b.get(name, 0.0) for name in names],
            f"difference ({unit})": [moved[name] for name in names],
            _SHARE: [100 * moved[name] / whole if whole else None for name in names],
        }
    ).astype({_SHARE: "float64"})
