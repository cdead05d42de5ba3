"""Core utilization: for how much of the profiled kernels' cycles each kind of core worked.

U_m = sum over kernels (cycles * pct_m) / sum over kernels (cycles), as the TBD suite defines it
(Zhu et al., IISWC 2018). Idle time between kernels does not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from detbench.gpus import counters
from detbench.utilization.described import NOTE, REASON
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

    @property
    def reasons(self) -> list[str]:
        """A line for each of the four cores that is None: its name, and why."""
        return [f"{core}: {self.reason[core]}" for core in counters.CORES if core in self.reason]


def core_utilization(launches: pd.DataFrame) -> CoreUtilization:
    """Core utilization over `launches`, the rows that `detbench.readers.ncu_csv` returns.

    Raises:
        ValueError: cycles were not collected, or no metric of any core was.
    """
    found = _percents(launches, weight_of(launches))
    if all(value is None for value in found.percent.values()):
        raise ValueError(f"it holds none of {', '.join(counters.CORES)}: {found.reason['fma']}")
    return found


def weight_of(launches: pd.DataFrame) -> str:
    """The metric by which kernels are weighted.

    Raises:
        ValueError: the file has none.
    """
    found = [w for w in counters.WEIGHTS if w in launches and launches[w].notna().any()]
    if found:
        return found[0]
    choices = (
        metrics for by_name in (counters.METRICS, counters.BESIDE) for metrics in by_name.values()
    )
    if any(_is_there(launches, metrics) for metrics in choices):
        raise ValueError(f"it has no {counters.CYCLES}, which weights the kernels")
    raise ValueError(
        f"it holds none of {', '.join(counters.CORES)}: {counters.METRICS['fma'][0]} was not"
        f" collected, and neither was {counters.CYCLES}, which weights the kernels"
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
        found = _percents(group, weight)
        percent, cycles = found.percent, group[weight].sum()
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
                REASON: "; ".join(found.reasons),
                NOTE: "; ".join(found.notes),
            }
        )
    table = pd.DataFrame(rows)
    return table.drop(columns=[name for name in (REASON, NOTE) if not table[name].any()])


def _percents(launches: pd.DataFrame, weight: str) -> CoreUtilization:
    """Weighted utilization by core and beside the cores; the reason of each that is None."""
    choices = {**counters.METRICS, **counters.BESIDE}
    is_cycles = _tensor_is_cycles(launches)
    if is_cycles:
        choices["tensor"] = counters.TENSOR_CYCLES
    percent: dict[str, float | None] = {}
    reason: dict[str, str] = {}
    of_active: list[str] = []
    of_some: list[str] = []
    weighted = launches[weight].notna()
    for core, metrics in choices.items():
        values, is_of_active = _values(launches, metrics)
        if values is None:
            percent[core], reason[core] = None, f"{metrics[0]} was not collected"
            continue
        # A kernel without this value counts neither in the numerator nor in the denominator.
        known = values.notna() & weighted
        total = launches.loc[known, weight].sum()
        if not known.any() or total == 0:
            percent[core] = None
            reason[core] = f"{metrics[0]} is n/a for every kernel: it could not be measured"
            continue
        percent[core] = float((launches.loc[known, weight] * values[known]).sum() / total)
        if is_of_active:
            of_active.append(core)
        if known.sum() < weighted.sum():
            of_some.append(f"{core}: {_part(launches, known, weight)}")
    notes = [] if weight == counters.CYCLES else [f"kernels are weighted by {weight}"]
    if not weighted.all():
        notes.append(
            f"{(~weighted).sum():,} of {len(launches):,} launches have no {weight} and do not count"
        )
    if of_active:
        notes.append(f"of the cycles in which an SM was active, not of all: {', '.join(of_active)}")
    if is_cycles:
        notes.append(TENSOR_IS_CYCLES)
    return CoreUtilization(
        num_kernels=len(launches),
        cycles=float(launches[weight].sum()),
        percent=percent,
        reason=reason,
        tensor_is_cycles=is_cycles,
        notes=(*notes, *of_some),
    )


def _part(launches: pd.DataFrame, known: pd.Series[bool], weight: str) -> str:
    """Of how many launches a percentage is, where the others lack its metric."""
    share = 100 * launches.loc[known, weight].sum() / launches[weight].sum()
    what = "time" if weight == counters.DURATION else "cycles"
    return f"of {known.sum():,} of {len(launches):,} launches, {share:.4g} % of the {what}"


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
