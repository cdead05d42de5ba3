"""Core utilization: for how much of the profiled kernels' cycles each kind of core worked.

U_m = sum over kernels (cycles * pct_m) / sum over kernels (cycles), as the TBD suite defines it
(Zhu et al., IISWC 2018). Idle time between kernels does not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from detbench.gpus import counters
from detbench.utilization.kernel_classes import kernel_class

TENSOR_IS_CYCLES = "the line tensor is the pipe's active cycles, as from compute capability 9.0 on"
"""The note on a table whose line `tensor` is not the issue of instructions."""


@dataclass(frozen=True)
class CoreUtilization:
    """The utilization of one group of kernels.

    Attributes:
        percent: by core (`fma`, `fp16`, `tensor`, `sfu`), and what stands beside them
            (`counters.BESIDE`), cycle-weighted; None if the file does not have it.
        reason: by core, why its utilization is None.
        tensor_is_cycles: whether `tensor` is the pipe's active cycles, not the issue.
    """

    num_kernels: int
    cycles: float
    percent: dict[str, float | None]
    reason: dict[str, str]
    tensor_is_cycles: bool


def core_utilization(launches: pd.DataFrame) -> CoreUtilization:
    """Core utilization over `launches`, the rows that `detbench.readers.ncu_csv` returns.

    Raises:
        ValueError: cycles were not collected, or no metric of any core was.
    """
    if counters.CYCLES not in launches or launches[counters.CYCLES].isna().all():
        raise ValueError(f"it has no {counters.CYCLES}, which weights the kernels")
    percent, reason = _percents(launches)
    if all(percent[core] is None for core in counters.CORES):
        raise ValueError(f"it holds none of {', '.join(counters.CORES)}: {reason['fma']}")
    return CoreUtilization(
        num_kernels=len(launches),
        cycles=float(launches[counters.CYCLES].sum()),
        percent=percent,
        reason=reason,
        tensor_is_cycles=_tensor_is_cycles(launches),
    )


def by(
    launches: pd.DataFrame, level: str, top: int | None = None, busy_percent: float | None = None
) -> pd.DataFrame:
    """One row for the whole `file`, or one per `device`, kernel `class` or `kernel` name.

    Groups are in descending order of cycles, at most `top` of them. With `busy_percent`, the
    compute utilization of the same run, there are also shares of wall time.

    Raises:
        ValueError: as in `core_utilization` for the whole file.
    """
    core_utilization(launches)  # raises for the whole file before it is split into groups
    groups: list[tuple[object, pd.DataFrame]] = [("", launches)]
    if level != "file":
        key = launches["kernel"].map(kernel_class) if level == "class" else launches[level]
        groups = list(launches.groupby(key, observed=True))
        groups.sort(key=lambda group: -group[1][counters.CYCLES].sum())
    total = launches[counters.CYCLES].sum()
    beside = [
        name
        for name, metrics in counters.BESIDE.items()
        if name == "tensor cycles"
        or (any(metric in launches for metric in metrics) and name != "tensor issue")
        or (name == "tensor issue" and _tensor_is_cycles(launches))
    ]
    rows = []
    for name, group in groups[:top]:
        percent, _ = _percents(group)
        cycles = group[counters.CYCLES].sum()
        wall = {f"{c} of wall (%)": _times(percent[c], busy_percent) for c in counters.CORES}
        rows.append(
            {
                **({level: name} if level != "file" else {}),
                "kernels": len(group),
                "cycles": int(cycles),
                **({"cycles (%)": 100 * cycles / total} if level != "file" else {}),
                **{f"{core} (%)": percent[core] for core in counters.CORES},
                **{f"{name} (%)": percent[name] for name in beside},
                **(wall if busy_percent is not None else {}),
            }
        )
    return pd.DataFrame(rows)


def _percents(launches: pd.DataFrame) -> tuple[dict[str, float | None], dict[str, str]]:
    """Cycle-weighted utilization by core and beside the cores, and the reasons for None."""
    choices = {**counters.METRICS, **counters.BESIDE}
    if _tensor_is_cycles(launches):
        choices["tensor"] = counters.TENSOR_CYCLES
    percent: dict[str, float | None] = {}
    reason: dict[str, str] = {}
    for core, metrics in choices.items():
        metric = next((m for m in metrics if m in launches), None)
        if metric is None:
            percent[core], reason[core] = None, f"{metrics[0]} was not collected"
            continue
        # A kernel without this value counts neither in the numerator nor in the denominator.
        known = launches[[counters.CYCLES, metric]].dropna()
        cycles = known[counters.CYCLES].sum()
        if known.empty or cycles == 0:
            percent[core], reason[core] = None, f"{metric} is n/a for every kernel"
            continue
        percent[core] = float((known[counters.CYCLES] * known[metric]).sum() / cycles)
    return percent, reason


def _tensor_is_cycles(launches: pd.DataFrame) -> bool:
    """Whether any kernel ran on a chip whose tensor issue says nothing of its tensor pipe.

    The compute capability says so, or in a file without it a metric that only such chips have.
    """
    if any(metric in launches for metric in counters.BESIDE["wgmma issue"]):
        return True
    said = launches["capability"].unique() if "capability" in launches else ()
    return any(_capability(text) >= counters.CYCLES_FROM for text in said)


def _capability(text: str) -> tuple[int, int]:
    """A compute capability such as `9.0`; (0, 0) if the file does not say it."""
    major, _, minor = text.partition(".")
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (0, 0)


def _times(percent: float | None, busy_percent: float | None) -> float | None:
    return None if percent is None or busy_percent is None else percent * busy_percent / 100
