"""Soft numbers: figures that a run or its surroundings give reason to distrust."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from detbench.comparison.conditions import surroundings, workload
from detbench.records.spec import RunRecord
from detbench.records.store import Run
from detbench.utilization.core import CoreUtilization
from detbench.utilization.repeats import ratio

_OTHERS_SHARE = 0.2  # of the host's cores; if others use more, they clearly disturb the run


@dataclass(frozen=True)
class Soft:
    """A soft number.

    Attributes:
        kind: the reason for distrust, in the same words for all of a kind.
        detail: the numbers behind it.
        folder: the folder of the run.
    """

    kind: str
    detail: str
    folder: Path
    record: RunRecord


def soft_numbers(
    runs: Sequence[Run],
    samples: Mapping[Path, pd.DataFrame] | None = None,
    cores: Mapping[Path, CoreUtilization] | None = None,
) -> list[Soft]:
    """The soft numbers among runs.

    Args:
        runs: runs of any mode, including failed ones.
        samples: monitoring samples by run folder, as `readers.monitoring` returns them.
        cores: core utilization by run folder.
    """
    found = _superlinear(runs)
    for folder, record in runs:
        told = [*_of_record(record)]
        if samples and folder in samples:
            told += _of_samples(samples[folder], record)
        if cores and folder in cores:
            told += _of_cores(cores[folder])
        found += [Soft(kind, detail, folder, record) for kind, detail in told]
    return found


def _superlinear(runs: Sequence[Run]) -> list[Soft]:
    """Runs of N processes that are faster than N times one process with as many images each."""
    groups: dict[tuple[str, ...], dict[int, list[Run]]] = {}
    for run in runs:
        _, record = run
        spec = record.spec
        if record.status != "ok" or record.throughput is None or spec.mode != "noprofile":
            continue
        facts = {**workload(record), **surroundings(record)}
        for scaled in ("batch size", "processes", "learning rate", "machines", "torch_threads"):
            del facts[scaled]
        key = (*facts.values(), str(spec.batch_size // spec.world_size))
        groups.setdefault(key, {}).setdefault(spec.world_size, []).append(run)
    found = []
    for by_number in groups.values():
        if 1 not in by_number:
            continue
        for number, own in by_number.items():
            scaling = ratio(_speeds(own), _speeds(by_number[1]))
            if number > 1 and (scaling.low or scaling.value) > number:
                folder, record = own[-1]
                detail = f"{number} processes are {scaling.value:.3g} times as fast as one"
                found.append(Soft("superlinear scaling", detail, folder, record))
    return found


def _speeds(runs: Iterable[Run]) -> list[float]:
    return [r.throughput.images_per_second for _, r in runs if r.throughput is not None]


def _of_record(record: RunRecord) -> Iterable[tuple[str, str]]:
    speed = record.throughput
    if speed is None or record.spec.mode != "noprofile":  # the overhead of the profiler is in it
        return
    iteration = speed.seconds / speed.num_iterations
    if iteration > speed.iteration_seconds_p90:
        yield (
            "mean above p90",
            f"mean iteration {1e3 * iteration:.4g} ms, p90 {1e3 * speed.iteration_seconds_p90:.4g}"
            " ms: a few iterations took most of the time",
        )
    if speed.data_wait_share > 1:
        yield (
            "utilization above 100 %",
            f"waiting for data is {100 * speed.data_wait_share:.4g} % of the time",
        )


def _of_cores(found: CoreUtilization) -> Iterable[tuple[str, str]]:
    for core, percent in found.percent.items():
        if percent is not None and percent > 100:
            yield "utilization above 100 %", f"{core}: {percent:.4g} %"


def _of_samples(samples: pd.DataFrame, record: RunRecord) -> Iterable[tuple[str, str]]:
    names = set(samples["gpu"])
    for gpu, own in samples.groupby("gpu", sort=False):
        throttled = own["throttled"].dropna()
        if throttled.any():
            yield (
                "clocks throttled",
                f"GPU {gpu}: in {100 * throttled.mean():.3g} % of {len(throttled)} samples",
            )
        # A GPU watched because of its MIG instance also counts processes of other instances.
        if "processes" in own and not any(n.startswith(f"{gpu}:") for n in names):
            most = own["processes"].max()
            if most > 1:  # the run has one on each of its GPUs
                yield "another process on the GPU", f"GPU {gpu}: {most:.0f} processes"
    yield from _of_host(samples[samples["gpu"] == "host"], record.environment.get("cpu_count"))


def _of_host(host: pd.DataFrame, num_cpus: int | None) -> Iterable[tuple[str, str]]:
    if not num_cpus or "CPU (%)" not in host or "run's CPU (cores)" not in host:
        return
    known = host[["CPU (%)", "run's CPU (cores)"]].dropna()
    if known.empty:
        return
    all_cores = num_cpus * known["CPU (%)"].mean() / 100
    own = known["run's CPU (cores)"].mean()
    if all_cores - own > _OTHERS_SHARE * num_cpus:
        yield (
            "the host was busy with others",
            f"{all_cores - own:.2g} of {num_cpus} cores, in the mean of {len(known)} samples",
        )
