"""What is told beforehand of a run in mode nsight."""

import gzip
import json
from datetime import timedelta
from pathlib import Path

import make_runs

from detbench.records import store
from detbench.records.spec import RunSpec
from detbench.running.expectation import expectation

ANY = RunSpec.model_validate(
    {
        "family": "maskrcnn", "framework": "detectron2", "model": "m", "mode": "nsight",
        "batch_size": 2, "window": {"start": 1, "count": 1}, "num_iterations": 2, "device": "cuda",
        "gpu_profile": "x", "dataset": "embedded", "weights": "none",
    }
)  # fmt: skip


def test_kernels_and_time_come_from_earlier_runs(tmp_path: Path) -> None:
    root = tmp_path / "results"
    assert expectation(root, ANY) == ""
    make_runs.write(root, 6, num_kernels=40, seconds=3)
    runs = list(store.all_runs(root))
    traced = next(run for run in runs if run.record.spec.mode == "torch")
    spec = next(run.record.spec for run in runs if run.record.spec.mode == "nsight")
    trace = gzip.decompress((traced.folder / "torch_bs2.pt.trace.json.gz").read_bytes())
    events = json.loads(trace)["traceEvents"]
    counted = sum(event.get("cat") == "kernel" for event in events)
    assert counted >= 40
    kernels = counted / traced.record.spec.window.count
    assert traced.record.spec.batch_size == spec.batch_size
    expected = f"about {kernels * spec.window.count:,.0f} kernels, as mode torch counted"
    assert expectation(root, spec) == expected  # its log has no line of ncu's
    profiled = next(run for run in runs if run.record.spec.mode == "nsight")
    lines = [f'==PROF== Profiling "k" - {i}: 0%....50%....100% - 4 passes' for i in range(10)]
    (profiled.folder / store.LOG).write_text("\n".join(lines))
    seconds = (profiled.record.ended - profiled.record.started) / timedelta(seconds=1) / 10
    minutes = kernels * spec.window.count * seconds / 60
    told = expectation(root, spec)
    assert told == f"{expected}, 4 passes each, {minutes:.0f} min at the last run's pace"
    fewer = spec.model_copy(update={"launch_count": 3})
    assert expectation(root, fewer).startswith("about 3 kernels")
    other = spec.model_copy(update={"batch_size": 64})
    assert expectation(root, other) == ""
