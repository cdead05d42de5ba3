"""The roofline: operations and memory traffic of kernels, against what the card can do at most.

Williams, Waterman, Patterson: "Roofline: an insightful visual performance model", CACM 2009.
"""

from __future__ import annotations

import pandas as pd

from detbench.gpus import counters
from detbench.gpus.peaks import Peaks
from detbench.utilization.kernel_classes import kernel_class

METRICS = counters.ROOFLINE
"""The metrics that this module uses."""

_ON_TENSOR_CORES = {"fp16", "bf16", "tf32"}
_NOT_COUNTED = "Operations of Tensor Cores were not counted, which this chip or ncu does not offer"
_OF_OPERATIONS = (
    "operations (GFLOP)", "intensity (FLOP/byte)", "rate (TFLOP/s)", "arithmetic peak (%)",
)  # fmt: skip
_NEGLIGIBLE = 0.01  # of all operations
_MOST_PERCENT = 102.0  # counters and durations are of different passes
_COLLECT = "collect with mode nsight and --roofline"


def roofline(launches: pd.DataFrame, peaks: Peaks, top: int | None = None) -> pd.DataFrame:
    """One row per kernel class, the longest first, at most `top`.

    `launches` are rows that `detbench.readers.ncu_csv` returns. Columns: `class`, `kernels`,
    `time (ms)`, `operations (GFLOP)`, `traffic (GB)`, `intensity (FLOP/byte)`, `rate (TFLOP/s)`
    and `bandwidth (GB/s)` over the kernels' own time, and the shares of the card's peaks:
    `arithmetic peak (%)` is the time that the operations would take at the peak of the precision
    of each, and `bandwidth peak (%)` that of the traffic, of the kernels' time. A share without a
    peak, and a figure without its counters, is missing: so are the operations of classes that
    worked on Tensor Cores, where those cores' operations were not counted.

    Raises:
        ValueError: durations, or all of the operations, or the traffic were not collected.
    """
    traffic, counted = _traffic(launches), _counted(launches)
    if counters.DURATION not in launches:
        raise ValueError(f"it has no {counters.DURATION}: {_COLLECT}")
    if not traffic:
        raise ValueError(f"it has no {counters.BYTES[0][0]}: {_COLLECT}")
    if not counted:
        raise ValueError(f"it has no operations: {_COLLECT}")
    counts_tensor = bool(counted.keys() & _ON_TENSOR_CORES)
    # A launch without one of the figures counts in none of the sums.
    used = [counters.DURATION, *traffic, *(m for weights in counted.values() for m in weights)]
    known = launches.dropna(subset=used)
    groups = known.groupby(known["kernel"].astype("str").map(kernel_class))
    rows = [
        _row(
            str(name), group, traffic, counted, peaks, counts_tensor or not _on_tensor_cores(group)
        )
        for name, group in groups
    ]
    table = pd.DataFrame(rows, columns=list(_row("", known, traffic, counted, peaks, True)))
    table = table.astype(dict.fromkeys(_OF_OPERATIONS, "float64"))
    return table.sort_values("time (ms)", ascending=False, ignore_index=True).head(
        top if top is not None else len(table)
    )


def beyond_peaks(table: pd.DataFrame) -> list[str]:
    """A note for each kind of peak that classes in a table of `roofline` exceed: none can."""
    notes = []
    for share in ("arithmetic peak (%)", "bandwidth peak (%)"):
        beyond = table.loc[table[share] > _MOST_PERCENT, "class"].unique()
        if len(beyond):
            notes.append(
                f"{share} above 100 cannot be: {', '.join(map(str, beyond))}. Either this is"
                " another GPU's file, or its counts are wrong."
            )
    return notes


def uncounted(launches: pd.DataFrame) -> list[str]:
    """A note if Tensor Cores worked, and their operations were not counted."""
    if _counted(launches).keys() & _ON_TENSOR_CORES:
        return []
    if _tensor_cycles(launches) is None:
        return [f"{_NOT_COUNTED}: where they worked, operations and rates are too low."]
    if not _on_tensor_cores(launches):
        return []
    return [f"{_NOT_COUNTED}: operations of classes that worked on them are n/a."]


def _on_tensor_cores(launches: pd.DataFrame) -> bool:
    metric = _tensor_cycles(launches)
    return metric is not None and bool((launches[metric] > 0).any())


def _tensor_cycles(launches: pd.DataFrame) -> str | None:
    return next((metric for metric in counters.TENSOR_CYCLES if metric in launches), None)


def has_roofline(launches: pd.DataFrame) -> bool:
    """Whether `launches` have what `roofline` needs."""
    return bool(counters.DURATION in launches and _traffic(launches) and _counted(launches))


def _traffic(launches: pd.DataFrame) -> tuple[str, ...]:
    """The metrics whose sum is the memory traffic; none if it was not collected."""
    return next((way for way in counters.BYTES if set(way) <= set(launches)), ())


def _counted(launches: pd.DataFrame) -> dict[str, dict[str, int]]:
    """The collected metrics of operations and what their counts stand for, by precision."""
    found = {
        precision: {m: weight for m, weight in weights.items() if m in launches}
        for precision, weights in counters.OPERATIONS.items()
    }
    return {precision: weights for precision, weights in found.items() if weights}


def _row(
    name: str,
    group: pd.DataFrame,
    traffic: tuple[str, ...],
    counted: dict[str, dict[str, int]],
    peaks: Peaks,
    is_whole: bool,
) -> dict[str, object]:
    seconds = float(group[counters.DURATION].sum()) / 1e9
    moved = float(group[list(traffic)].sum().sum())
    operations = {
        precision: sum(weight * float(group[metric].sum()) for metric, weight in weights.items())
        for precision, weights in counted.items()
    }
    total = sum(operations.values()) if is_whole else None
    return {
        "class": name,
        "kernels": len(group),
        "time (ms)": seconds * 1e3,
        "operations (GFLOP)": _over(total, 1e9),
        "traffic (GB)": moved / 1e9,
        "intensity (FLOP/byte)": _over(total, moved),
        "rate (TFLOP/s)": _over(total, 1e12 * seconds),
        "bandwidth (GB/s)": _over(moved / 1e9, seconds),
        "arithmetic peak (%)": _percent(_at_peak(operations, peaks), seconds) if is_whole else None,
        "bandwidth peak (%)": _percent(_over(moved, peaks.memory), seconds),
    }


def _at_peak(operations: dict[str, float], peaks: Peaks) -> float | None:
    """Seconds that the operations take at the peaks; None if one that was done has no peak.

    A few of another type decide nothing: compilers load constants by half-precision operations.
    """
    taken, total = 0.0, sum(operations.values())
    for precision, number in operations.items():
        if number <= _NEGLIGIBLE * total:
            continue
        least = _over(number, getattr(peaks, precision, None))
        if least is None:
            return None
        taken += least
    return taken


def _over(number: float | None, by: float | None) -> float | None:
    return number / by if by and number is not None else None


def _percent(part: float | None, whole: float) -> float | None:
    share = None if part is None else _over(part, whole)
    return None if share is None else 100 * share
