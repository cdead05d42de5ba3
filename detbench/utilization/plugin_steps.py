"""The steps of a training as PyTorch's TensorBoard plugin counts them.

A step begins on the CPU and lasts until all its launches on the GPUs have run, and each begins
where the one before it ended. So the GPU work of the last step is included, which the time of an
iteration on the CPU cuts off.
"""

from __future__ import annotations

import numpy as np

from detbench.readers.timeline import CPU, PROFILER_STEP, Timeline

_COMPLETE = 0.8  # a last step with less than this share of the launches before it is left out


def plugin_steps(timeline: Timeline) -> list[tuple[int, int]]:
    """Start and end of every step in ns; without marked steps, all CPU operators are one step.

    Empty if there are neither.
    """
    steps = _on_cpu(timeline)
    launches = timeline.launches
    if not steps or launches is None or launches.empty:
        return steps
    activities = timeline.activities
    gpu = activities["kind"].to_numpy() != "operator"
    start = activities["start (ns)"].to_numpy()
    end = start + activities["duration (ns)"].to_numpy()
    # The step that launched an activity: the last one to begin before, if it had not ended yet.
    owner = np.full(len(activities), -1)
    launched = launches["start (ns)"].to_numpy()
    found = np.searchsorted([s for s, _ in steps], launched, side="right") - 1
    ended = launched >= np.array([e for _, e in steps])[found]
    owner[launches["activity"]] = np.where(ended, -1, found)
    counts = np.bincount(owner[owner >= 0], minlength=len(steps))
    if not counts.any():
        return steps
    previous = steps[0][0]
    if counts[0]:
        # Work that no step launched, and that ended before that of the first step, is not in it.
        stray = end[gpu & (owner < 0)]
        before = stray[stray < start[owner == 0].min()]
        previous = max(previous, int(before.max(initial=previous)))
    extended = []
    for number, (begin, finish) in enumerate(steps):
        begun = max(previous, begin)
        last = int(end[owner == number].max(initial=finish))
        previous = max(finish, last, begun)
        extended.append((begun, previous))
    return extended[: _num_complete(counts.tolist())]


def _on_cpu(timeline: Timeline) -> list[tuple[int, int]]:
    marked = timeline.ranges[timeline.ranges["name"].str.startswith(PROFILER_STEP)]
    if marked.empty:
        table = timeline.activities
        marked = table[table["device"] == CPU]
        if marked.empty:
            return []
        ends = marked["start (ns)"] + marked["duration (ns)"]
        return [(int(marked["start (ns)"].min()), int(ends.max()))]
    pairs = zip(marked["start (ns)"], marked["duration (ns)"], strict=True)
    return sorted((int(start), int(start) + int(duration)) for start, duration in pairs)


def _num_complete(counts: list[int]) -> int:
    """The number of complete steps: the profiler may have stopped before the last one finished."""
    last = max(number for number, count in enumerate(counts) if count)
    if last and counts[last] < _COMPLETE * counts[last - 1]:
        return last
    return last + 1
