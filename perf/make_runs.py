#!/usr/bin/env python3
"""Write a results folder with any number of generated runs: python perf/make_runs.py RUNS FOLDER.

It is meant for the report page: runs of all modes on a GPU slice, with measurements in the formats
of their profilers, repeats, a sweep's table, and every 20th run out of memory. All values derive
from the run's number; none was measured.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import make_kineto
import make_ncu_log

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from detbench.records import store
from detbench.records.spec import Evaluation, RunRecord, RunSpec, Throughput, Window
from detbench.reporting.tables import render
from detbench.sweeping.matrix import cells
from detbench.sweeping.search import CellState, Row
from detbench.telemetry.monitor import COLUMNS

PROFILE = "A100D-2-20C"
NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
_MODES = ("noprofile", "noprofile", "noprofile", "torch", "nsight", "memory")
_SIZES = (2, 4, 8)
_MODELS = ("mask_rcnn_R_50_FPN_1x", "faster_rcnn_R_101_FPN_3x", "retinanet_R_101_FPN_3x")
_FAILED_EVERY = 20
_ENVIRONMENT = {
    "gpu": "generated GPU", "gpu_driver": "550.0", "gpu_memory_bytes": 20 << 30, "torch": "2.14.1",
    "detbench_commit": "0" * 40,
}  # fmt: skip
_MIB = 1 << 20


def write(
    root: Path,
    num_runs: int,
    *,
    model: str = "",
    log: str = "training\n",
    cause: str = "OutOfMemoryError: CUDA out of memory",
    seconds: int = 60,
    num_kernels: int = 300,
) -> list[Path]:
    """Write the runs, and return their folders.

    Args:
        root: the results folder.
        num_runs: number of runs; each six are three repeats in noprofile and one in each other
            mode.
        model: the model of all runs; by default, several models are used.
        log: the log of each run.
        cause: the cause of each failed run.
        seconds: duration of the monitoring, with one sample per second.
        num_kernels: number of kernels in each trace and each file of counters.
    """
    folders = []
    for number in range(num_runs):
        cell = number // len(_MODES)
        failed = number % _FAILED_EVERY == _FAILED_EVERY - 1
        spec = RunSpec(
            family="maskrcnn",
            framework="detectron2",
            model=model or _MODELS[cell // len(_SIZES) % len(_MODELS)],
            mode=_MODES[number % len(_MODES)],
            batch_size=_SIZES[cell % len(_SIZES)],
            window=Window(start=20, count=100),
            num_iterations=120,
            device="cuda",
            gpu_profile=PROFILE,
            dataset="embedded",
            weights="none",
            seed=number % len(_MODES) if number % len(_MODES) < 3 else 0,
            evaluate=number % len(_MODES) == 0,
        )
        folder = store.begin(root, spec)
        (folder / store.LOG).write_text(log, encoding="utf-8")
        _monitoring(folder / "monitoring.csv", number, seconds)
        if not failed and spec.mode in _FILES:
            _FILES[spec.mode](folder, spec.batch_size, number, num_kernels)
        if spec.evaluate:
            _metrics(folder / "metrics.json", number)
        record = _record(folder, spec, number, cause if failed else "")
        folders.append(store.keep(folder, record))
    _sweep(root / PROFILE / "feasibility_20260101T130000Z.csv", model or _MODELS[0], cause)
    return folders


def images_per_second(number: int, batch_size: int) -> float:
    """The throughput of a generated run in noprofile, in images/s."""
    return 10 + batch_size + number % len(_MODES) / 10


def peak_mib(batch_size: int) -> dict[str, int]:
    """The memory of a generated run at its peak by category, in MiB."""
    return {"weights": 200, "gradients": 200, "activations": 1000 * batch_size, "unattributed": 300}


def _record(folder: Path, spec: RunSpec, number: int, cause: str) -> RunRecord:
    begun = NOON + timedelta(minutes=number)
    speed = images_per_second(number, spec.batch_size) / (1 if spec.mode == "noprofile" else 2)
    count, seconds = spec.window.count, spec.batch_size * spec.window.count / speed
    throughput = Throughput(
        images_per_second=speed, images=spec.batch_size * count, seconds=seconds,
        num_iterations=count, first_iteration=spec.window.start, batch_size=spec.batch_size,
        iteration_seconds_median=seconds / count, iteration_seconds_p10=seconds / count,
        iteration_seconds_p90=seconds / count, data_wait_share=0.01,
    )  # fmt: skip
    accuracy = {"box AP": 30 + number % 9, "mask AP": 28 + number % 9} if spec.evaluate else None
    ended_well = not cause
    return RunRecord(
        spec=spec,
        spec_sha256=spec.digest(),
        status="ok" if ended_well else "oom",
        cause=cause,
        command=("python", "-m", "detbench.training"),
        exit_code=0 if ended_well else 1,
        started=begun,
        ended=begun + timedelta(seconds=50),
        throughput=throughput if ended_well else None,
        accuracy=accuracy if ended_well else None,
        evaluations=(
            Evaluation(iterations=120, seconds=40, evaluation_seconds=5, accuracy=accuracy),
        )
        if ended_well and accuracy
        else (),
        environment=_ENVIRONMENT,
        measurements=store.measurements_in(folder),
    )


def _monitoring(path: Path, number: int, seconds: int) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        for second in range(seconds):
            moment = NOON + timedelta(minutes=number, seconds=second)
            stamp = {"time [s]": f"{second}.000", "utc": moment.isoformat()}
            writer.writerow({**stamp, "gpu": "host", "gpus": "1", "cpu.util [%]": "50.0"})
            writer.writerow(
                {
                    **stamp,
                    "gpu": "0",
                    "utilization.gpu [%]": str((number + second * 7) % 101),
                    "power.draw [W]": f"{200 + second % 50}.00",
                    "clocks.sm [MHz]": "1410",
                    "temperature.gpu": "60",
                }
            )


def _metrics(path: Path, number: int) -> None:
    lines = [
        {"iteration": i, "time": 0.3, "data_time": 0.01, "lr": 0.02, "total_loss": 3 - i / 60}
        for i in range(19, 120, 20)
    ]
    final = {"iteration": 120, "bbox/AP": 30 + number % 9, "segm/AP": 28 + number % 9}
    path.write_text("\n".join(map(json.dumps, [*lines, final])) + "\n", encoding="utf-8")


def _trace(folder: Path, batch_size: int, number: int, num_kernels: int) -> None:
    plain = folder / "trace.json"
    make_kineto.write(plain, num_kernels + number)
    packed = folder / f"torch_bs{batch_size}.pt.trace.json.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes(), 1))
    plain.unlink()


def _counters(folder: Path, batch_size: int, number: int, num_kernels: int) -> None:
    file = folder / f"nsight_bs{batch_size}.csv"
    make_ncu_log.write(file, num_kernels + number, roofline=True)


def _memory(folder: Path, batch_size: int, _: int, __: int) -> None:
    path = folder / "memory_csv_data" / f"memory_bs{batch_size}.csv"
    path.parent.mkdir()
    rows = ["iteration,phase,category,module,bytes"]
    for phase, share in (("forward", 1.0), ("backward", 0.5)):
        parts = {c: int(share * mib * _MIB) for c, mib in peak_mib(batch_size).items()}
        rows += [f"20,{phase},{category},,{size}" for category, size in parts.items()]
        rows.append(f"20,{phase},total,,{sum(parts.values())}")
    path.write_text("\n".join(rows) + "\n")


def _sweep(path: Path, model: str, cause: str) -> None:
    measured = {
        4: CellState("fits", "measured", images_per_second=14.0, peak_bytes=4700 * _MIB),
        16: CellState("oom", "measured", cause),
    }
    table = cells([Row(model, "noprofile", (2, 4, 8, 16, 32), measured)], PROFILE)
    path.write_text(render(table, "csv") + "\n", encoding="utf-8")


_FILES: dict[str, Callable[[Path, int, int, int], None]] = {
    "torch": _trace,
    "nsight": _counters,
    "memory": _memory,
}


if __name__ == "__main__":
    write(Path(sys.argv[2]), int(sys.argv[1]))
