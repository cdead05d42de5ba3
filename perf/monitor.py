#!/usr/bin/env python3
"""The cost of monitoring during a run: CPU time of its thread, in percent of a core.

    python perf/monitor.py [--seconds 10] [--every 1] [--gpus 8] [--processes 72]

The GPUs come from tests/nvml_standin, which is compiled here: real calls through the real binding
into a library that answers at once. A driver would add its own time. The run has the given number
of idle processes: 8 trainings with 8 data loaders each are 72.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from detbench.gpus.discovery import survey  # noqa: E402
from detbench.telemetry.monitor import Monitor  # noqa: E402
from tests.nvml_standin import SCENES, compiled  # noqa: E402

_UUID = "GPU-88888888-abab"  # of the scene's GPU, a Hopper with all that NVML tells


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--every", type=float, default=1)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--processes", type=int, default=72)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if "NVML_SCENE" not in os.environ:  # the loader reads its path when a program starts
            sys.exit(_again(Path(folder), options.gpus))
        idle = [subprocess.Popen(["sleep", "infinity"]) for _ in range(options.processes)]
        try:
            share, rows = _measure(Path(folder) / "monitoring.csv", options.every, options.seconds)
        finally:
            for process in idle:
                process.kill()
                process.wait()
    print(
        f"{100 * share:.2f} % of a core: {options.gpus} GPUs, {options.processes} processes of the"
        f" run, a sample every {options.every:g} s for {options.seconds:g} s, {rows} rows"
    )


def _again(folder: Path, num_gpus: int) -> int:
    scene = folder / "scene.txt"
    driver, _, one = (SCENES / "hopper.txt").read_text().partition("\n")
    gpus = (
        one.replace("gpu 0\n", f"gpu {i}\n").replace(_UUID, f"GPU-{i}") for i in range(num_gpus)
    )
    scene.write_text("\n".join([driver, *gpus]))
    environment = {**os.environ, "NVML_SCENE": str(scene), "LD_LIBRARY_PATH": str(compiled(folder))}
    return subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode


def _measure(file: Path, every: float, seconds: float) -> tuple[float, int]:
    gpus = survey().gpus
    with Monitor(file, every=every, gpus=gpus):
        time.sleep(every)  # the monitor's start and its imports are not measured
        wall, spent = time.perf_counter(), time.process_time()
        time.sleep(seconds)
        spent, wall = time.process_time() - spent, time.perf_counter() - wall
    return spent / wall, file.read_text().count("\n") - 1


if __name__ == "__main__":
    main()
