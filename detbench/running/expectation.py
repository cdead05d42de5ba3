"""What a run in mode nsight has ahead of it, learned from earlier runs in the results folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from detbench.errors import DetbenchError
from detbench.readers.kineto import read_kineto
from detbench.records.modes import resolve_mode
from detbench.records.spec import RunSpec
from detbench.records.store import LOG, Run, all_runs

_PROFILED = re.compile(r"^==PROF== Profiling .*?(\d+) pass(?:es)?$", re.MULTILINE)


def expectation(root: Path, spec: RunSpec) -> str:
    """The kernels of the window and the time that they will take, as far as earlier runs tell.

    The kernels come from the newest run in mode torch of the same model, batch size, precision and
    device; passes and seconds a kernel from the newest one in mode nsight on that device. Empty if
    neither is there.
    """
    try:
        runs = [run for run in all_runs(root) if run.record.status == "ok"]
    except DetbenchError:  # a damaged record is told where it matters
        return ""
    said = []
    kernels = _kernels(runs, spec)
    if kernels is not None:
        launches = kernels * spec.window.count
        if spec.launch_count is not None:
            launches = min(launches, spec.launch_count)
        said.append(f"about {launches:,.0f} kernels, as mode torch counted")
        if pace := _pace(runs, spec):
            seconds, passes = pace
            minutes = launches * seconds / 60
            said.append(f"{passes:.0f} passes each, {minutes:.0f} min at the last run's pace")
    return ", ".join(said)


def _kernels(runs: Sequence[Run], spec: RunSpec) -> float | None:
    """Kernels an iteration, by a trace."""
    for folder, record in reversed(runs):
        other = record.spec
        same = ("model", "framework", "batch_size", "precision", "device")
        if other.mode != "torch" or any(getattr(other, n) != getattr(spec, n) for n in same):
            continue
        file = folder / resolve_mode("torch").file.format(bs=other.batch_size)
        try:
            kinds = read_kineto(file).activities["kind"]
        except DetbenchError:
            continue
        return int((kinds == "kernel").sum()) / other.window.count or None
    return None


def _pace(runs: Sequence[Run], spec: RunSpec) -> tuple[float, float] | None:
    """Seconds and passes a kernel of the newest run in mode nsight on this device."""
    for folder, record in reversed(runs):
        if record.spec.mode != "nsight" or record.spec.gpu_profile != spec.gpu_profile:
            continue
        files = (folder / LOG, folder / f"nsight_bs{record.spec.batch_size}.csv")
        text = "".join(f.read_text(errors="replace") for f in files if f.is_file())
        passes = [int(number) for number in _PROFILED.findall(text)]
        if passes:
            seconds = (record.ended - record.started).total_seconds()
            return seconds / len(passes), sum(passes) / len(passes)
    return None
