#!/usr/bin/env python3
"""compute_util against `nsys stats` on one export: python perf/nsys.py [KERNELS].

Ours makes three tables (by device, class and kernel), `nsys stats` one of kernel sums. Both are
timed as whole processes, and ours also without its start and imports, whose share shrinks as the
number of kernels grows. The kernel sums of both are compared, and the busy time with the
generator's.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import make_nsys_sqlite
from sides import HERE, Side, agree, compare, parser, piece

_REPORTS = ("cuda_gpu_kern_sum", "gpukernsum")  # the newer and the older name
_READ = """timeline = read_timeline(Path({export!r}))
devices = window.devices(timeline)
tables = [compute.by_device(timeline, devices), compute.by_name(timeline, devices, 'class'),
    compute.by_name(timeline, devices, 'kernel')]
answer = len(tables)
"""


def total_ns(table: str) -> int:
    """Sum of the total times in nsys's CSV in ns; other lines precede the CSV."""
    lines = table.splitlines()
    header = next(i for i, line in enumerate(lines) if "Total Time (ns)" in line)
    rows = csv.DictReader(line for line in lines[header:] if line)
    return sum(int(row["Total Time (ns)"]) for row in rows)


def peer(export: Path) -> Side | None:
    """`nsys stats`, if it is installed."""
    nsys = shutil.which("nsys")
    if nsys is None:
        return None
    known = subprocess.run([nsys, "stats", "--help-reports"], capture_output=True, text=True)
    report = next(name for name in _REPORTS if name in known.stdout + known.stderr)
    command = [nsys, "stats", "--report", report, "--format", "csv", "--output", "-", str(export)]
    return Side(f"nsys stats --report {report}", command, total_ns)


def main(num_kernels: int) -> None:
    """Generate an export, time both sides, and check the answers."""
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder) / "nsys_bs2.sqlite"
        make_nsys_sqlite.write(export, num_kernels)
        print(f"{num_kernels:,} kernels, {export.stat().st_size / 2**20:.0f} MiB")
        theirs = peer(export)
        imports = (
            "from pathlib import Path\n"
            "from detbench.readers.timeline_file import read_timeline\n"
            "from detbench.utilization import compute, window"
        )
        without = piece("without start", HERE + imports, _READ.format(export=str(export)))
        sides = [parser("compute_util", str(export)), without, *([theirs] if theirs else [])]
        answers = compare(sides, repeats=5 if num_kernels < 5_000_000 else 2)

        def asked(level: str) -> list[dict[str, float]]:
            side = parser("compute_util", "--by", level, "--format", "json", str(export))
            found: list[dict[str, float]] = json.loads(subprocess.check_output(side.command))
            return found

        agree("busy (ms)", asked("device")[0]["busy (ms)"], _busy(num_kernels) / 1e6, 1e-6)
        if theirs is None:
            print("nsys is not installed: nothing to compare with")
        else:
            ours = sum(row["total (ms)"] for row in asked("class"))
            agree("kernel time (ms)", ours, int(str(answers[-1])) / 1e6, 1e-6)


def _busy(num_kernels: int) -> int:
    """Length of the union of the generator's kernels in ns; they are sorted by start.

    The part of a kernel after the end of the last iteration does not count.
    """
    busy, reached, last = 0, 0, make_nsys_sqlite.end_of_iterations(num_kernels)
    for start, end, *_ in make_nsys_sqlite.kernels(num_kernels):
        busy += max(0, min(end, last) - max(start, reached))
        reached = max(reached, end)
    return busy


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("kernels", type=int, nargs="?", default=1_000_000)
    main(options.parse_args().kernels)
