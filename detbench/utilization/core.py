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
        notes: what the percentages are, where it is not the definition to the letter.
    """

    num_kernels: int
    cycles: float
    percent: dict[str, float | None]
    reason: dict[str, str]
    tensor_is_cycles: bool
    notes: tuple[str, ...] = ()


def core_utilization(launches: pd.DataFrame) -> CoreUtilization:
    """Core utilization over `launches`, the rows that `detbench.readers.ncu_csv` returns.

    Raises:
        ValueError: cycles were not collected, or no metric of any core was.
    """
    weight = weight_of(launches)
    percent, reason, of_active = _percents(launches, weight)
    if all(value is None for value in percent.values()):
        also = "" if counters.CYCLES in launches else f", and neither was {counters.CYCLES}"
        raise ValueError(f"it holds none of {', '.join(counters.CORES)}: {reason['fma']}{also}")
    notes = [] if weight == counters.CYCLES else [f"kernels are weighted by {weight}"]
    if of_active:
        notes.append(f"of the cycles in which an SM was active, not of all: {', '.join(of_active)}")
    return CoreUtilization(
        num_kernels=len(launches),
        cycles=float(launches[weight].sum()),
        percent=percent,
        reason=reason,
        tensor_is_cycles=_tensor_is_cycles(launches),
        notes=tuple(notes),
    )


def weight_of(launches: pd.DataFrame) -> str:
    """The metric by which kernels are weighted.

    Raises:
        ValueError: the file has none.
    """
    found = [w for w in counters.WEIGHTS if w in launches and launches[w].notna().any()]
    if not found:
        raise ValueError(f"it has no {counters.CYCLES}, which weights the kernels")
    return found[0]


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
    weight = weight_of(launches)
    unit = "time (ns)" if weight == counters.DURATION else "cycles"
    groups: list[tuple[object, pd.DataFrame]] = [("", launches)]
    if level != "file":
        key = launches["kernel"].map(kernel_class) if level == "class" else launches[level]
        groups = list(launches.groupby(key, observed=True))
        groups.sort(key=lambda group: -group[1][weight].sum())
    total = launches[weight].sum()
    decided = {"tensor cycles": True, "tensor issue": _tensor_is_cycles(launches)}
    beside = [
        name
        for name, metrics in counters.BESIDE.items()
        if decided.get(name, _is_there(launches, metrics))
    ]
    rows = []
    for name, group in groups[:top]:
        percent, _, _ = _percents(group, weight)
        cycles = group[weight].sum()
        wall = {f"{c} of wall (%)": _times(percent[c], busy_percent) for c in counters.CORES}
        rows.append(
            {
                **({level: name} if level != "file" else {}),
                "kernels": len(group),
                unit: int(cycles),
                **(
                    {f"{unit.partition(' ')[0]} (%)": 100 * cycles / total}
                    if level != "file"
                    else {}
                ),
                **{f"{core} (%)": percent[core] for core in counters.CORES},
                **{f"{name} (%)": percent[name] for name in beside},
                **(wall if busy_percent is not None else {}),
            }
        )
    return pd.DataFrame(rows)


def _percents(
    launches: pd.DataFrame, weight: str
) -> tuple[dict[str, float | None], dict[str, str], list[str]]:
    """Weighted utilization by core and beside the cores, and the reasons for None.

    The last of the three lists those whose percentages are of active cycles only.
    """
    choices = {**counters.METRICS, **counters.BESIDE}
    if _tensor_is_cycles(launches):
        choices["tensor"] = counters.TENSOR_CYCLES
    percent: dict[str, float | None] = {}
    reason: dict[str, str] = {}
    of_active: list[str] = []
    for core, metrics in choices.items():
        values, is_of_active = _values(launches, metrics)
        if values is None:
            percent[core], reason[core] = None, f"{metrics[0]} was not collected"
            continue
        # A kernel without this value counts neither in the numerator nor in the denominator.
        known = values.notna() & launches[weight].notna()
        total = launches.loc[known, weight].sum()
        if not known.any() or total == 0:
            percent[core], reason[core] = None, f"{metrics[0]} is n/a for every kernel"
            continue
        percent[core] = float((launches.loc[known, weight] * values[known]).sum() / total)
        if is_of_active:
            of_active.append(core)
    return percent, reason, of_active


def _values(
    launches: pd.DataFrame, metrics: tuple[str, ...]
) -> tuple[pd.Series[float] | None, bool]:
    """The first of the metrics that was collected, and whether it is a share of active cycles.

    A share of active cycles becomes one of all cycles where the file tells how many were active.
    """
    for metric in metrics:
        if metric in launches:
            return launches[metric], False
        active = metric.replace(counters.ELAPSED, counters.ACTIVE)
        if active not in launches:
            continue
        if counters.SM_ACTIVE in launches and counters.CYCLES in launches:
            share = launches[counters.SM_ACTIVE] / launches[counters.CYCLES]
            return launches[active] * share, False
        return launches[active], True
    return None, False


def _is_there(launches: pd.DataFrame, metrics: tuple[str, ...]) -> bool:
    return _values(launches, metrics)[0] is not None


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
