"""What runs measured, in short: a row a run, a row a group of repeats, a row a time-to-train."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import Any

import pandas as pd

from detbench.records.modes import MODES
from detbench.records.spec import RunRecord, mean_energy
from detbench.records.store import Run
from detbench.reporting.efficiency import mfu_of
from detbench.utilization.described import described
from detbench.utilization.repeats import interval, scaling_efficiency

_WARM_UP_EXCLUDED = "the measured iterations, without the warm-up before them"
_WALL_TIME = "images / wall time of the window"


def outcome_table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row a run: how it ended, how fast it was and how accurate, and its folder."""
    rows = []
    for folder, record in runs:
        speed, mode = record.throughput, MODES[record.spec.mode]
        rows.append(
            {
                "model": record.spec.model,
                "batch size": record.spec.batch_size,
                "mode": record.spec.mode if record.spec.train else "evaluation",
                "status": record.status,
                "images/s": speed.images_per_second if speed and mode.has_speed else None,
                "speed": mode.of_speed if speed and mode.of_speed else None,
                "J/image": speed.joules_per_image if speed else None,
                "MFU (%)": mfu_of(record).percent,
                "iterations": str(record.spec.window) if record.spec.train else None,
                "data wait (%)": 100 * speed.data_wait_share if speed else None,
                **(record.accuracy or {}),
                "notes": "; ".join(record.notes) or None,
                "run": str(folder),
            }
        )
    return described(
        pd.DataFrame(rows),
        kind="outcomes",
        title="",
        window=_WARM_UP_EXCLUDED,
        denominator=_WALL_TIME,
        count=f"{len(runs):,} runs",
    )


def speed_table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row a model, number of processes and batch size: images/s over its repeats.

    The interval is Student's t at 95 %; the efficiency is the share of N times the throughput of
    one process, where that was measured.
    """
    groups: dict[tuple[str, int, int], list[RunRecord]] = {}
    for _, record in runs:
        spec = record.spec
        key = (spec.model, spec.world_size, spec.batch_size // spec.world_size)
        groups.setdefault(key, []).append(record)
    rows: list[dict[str, Any]] = []
    means: dict[tuple[str, int, int], float] = {}
    for (model, number, share), own in groups.items():
        speeds = [r.throughput for r in own if r.throughput is not None]
        if not speeds:
            continue
        middle, half = interval([s.images_per_second for s in speeds])
        means[model, number, share] = middle
        single = means.get((model, 1, share))
        rows.append(
            {
                "model": model,
                "processes": number,
                "batch size": number * share,
                "iterations": str(own[0].spec.window),
                "warm-up": own[0].spec.window.start,
                "repeats": len(speeds),
                "images/s": middle,
                "± 95 %": half,
                "J/image": mean_energy(speeds),
                "images/s per process": middle / number,
                "efficiency (%)": single and 100 * scaling_efficiency(middle, single, number),
                "s / iteration (median)": mean([s.iteration_seconds_median for s in speeds]),
                "data wait (%)": 100 * mean([s.data_wait_share for s in speeds]),
            }
        )
    return described(
        pd.DataFrame(rows),
        kind="measured throughput",
        title="Throughput over the window, warm-up excluded",
        window=_WARM_UP_EXCLUDED,
        denominator=f"{_WALL_TIME}; efficiency is of N times the throughput of one process",
        count=f"{sum(row['repeats'] for row in rows):,} runs",
        notes=[
            *_left_out([run for run in runs if run.record.throughput is None]),
            *_without_energy(runs),
        ],
    )


def time_table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row a training to a target: its time, what of it was evaluation, and how far it came."""
    rows = []
    for _, record in runs:
        found, speed = record.time_to_train, record.throughput
        if found is None:
            continue
        rows.append(
            {
                "model": record.spec.model,
                "framework": record.spec.framework,
                "GPUs" if record.spec.device == "cuda" else "processes": record.spec.world_size,
                "seed": record.spec.seed,
                "target": ", ".join(f"{name} {goal:g}" for name, goal in found.target.items()),
                "time-to-train (s)": found.seconds
                if found.reached
                else f"not reached after {found.iterations} iterations",
                "evaluation (s)": found.evaluation_seconds,
                "evaluations": found.num_evaluations,
                "epochs": found.epochs,
                "images": found.images,
                "images/s": speed.images_per_second if speed else None,
                **{name: (record.accuracy or {}).get(name) for name in found.target},
            }
        )
    return described(
        pd.DataFrame(rows),
        kind="measured time to train",
        title="Time to train",
        window="from before the first touch of the dataset to the evaluation that meets the target",
        denominator="wall time, evaluations included",
        count=f"{len(rows):,} runs",
        notes=_left_out([run for run in runs if run.record.time_to_train is None]),
    )


def _without_energy(runs: Sequence[Run]) -> list[str]:
    """A line for each reason for which the energy of runs is not told."""
    speeds = [run.record.throughput for run in runs if run.record.throughput is not None]
    why = (s.energy_source or "an older record" for s in speeds if s.energy_joules is None)
    return [f"J/image is n/a: {each}" for each in dict.fromkeys(why)]


def _left_out(runs: Sequence[Run]) -> list[str]:
    """A line for each run that measured nothing of a table."""
    return [
        f"left out: {run.folder.name}: {run.record.status}"
        + (f": {run.record.cause}" if run.record.cause else "")
        for run in runs
    ]
