#!/usr/bin/env python3
"""The time and the size of a report page about 200 runs: python perf/report.py [RUNS].

The intended bounds are 10 s and 15 MB.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import make_runs

_RUNS = 200
_SECONDS = 600  # of monitoring per run


def main() -> None:
    """Write the runs, make the page, and print its time and size."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else _RUNS
    with tempfile.TemporaryDirectory() as folder:
        root, page = Path(folder) / "results", Path(folder) / "report.html"
        make_runs.write(root, number, seconds=_SECONDS, num_kernels=2000)
        command = [sys.executable, "-m", "detbench", "report", str(root), "-o", str(page)]
        begun = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begun
        if done.returncode:
            sys.exit(done.stderr.strip().splitlines()[-1])
        print(f"{number} runs: {seconds:.1f} s, {page.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
