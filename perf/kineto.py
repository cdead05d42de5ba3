#!/usr/bin/env python3
"""Time the reading of a Kineto trace: python perf/kineto.py TRACE|KERNELS [PYTHON].

PYTHON is an interpreter with HolisticTraceAnalysis 0.5 to compare with. Both load the trace and
split the time from its first to its last GPU activity into busy and idle; imports are not timed.
HTA rounds idle time to whole microseconds. With KERNELS, a trace of that many kernels is generated
(1.3 kB each), and the answer of compute_util as a whole process is checked against the closed form.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import tempfile
from pathlib import Path

import make_kineto
from sides import HERE, Side, agree, compare, parser, piece

_IDLE_OURS = """table = read_kineto(Path({trace!r})).activities
gpu = table[table['kind'] != 'operator']
start = gpu['start (ns)'].to_numpy()
end = start + gpu['duration (ns)'].to_numpy()
answer = int(gaps(start, end, (start.min(), end.max())).sum()) / 1000
"""
# Without the flag HTA leaves out the last step (its issue 76).
_IDLE_THEIRS = """analysis = TraceAnalysis(
    trace_files={0: file}, trace_dir=folder, include_last_profiler_step=True)
table = analysis.get_temporal_breakdown(visualize=False)
answer = float(table['idle_time(us)'].iloc[0]); shutil.rmtree(folder)
"""


def ours(trace: Path) -> Side:
    """Detbench's reader."""
    setup = (
        "from pathlib import Path\n"
        "from detbench.readers.kineto import read_kineto\n"
        "from detbench.utilization.intervals import gaps"
    )
    return piece("detbench", HERE + setup, _IDLE_OURS.format(trace=str(trace)))


def theirs(trace: Path, python: str) -> Side | None:
    """HolisticTraceAnalysis, if it is installed."""
    found = subprocess.run([python, "-c", "import hta"], capture_output=True, check=False)
    if found.returncode:
        return None
    setup = (
        "import shutil, tempfile; from hta.trace_analysis import TraceAnalysis\n"
        "folder = tempfile.mkdtemp()\n"
        f"file = shutil.copy({str(trace)!r}, folder + '/rank_0.json' + {trace.suffix!r}[-3:])"
    )
    return piece("HolisticTraceAnalysis", setup, _IDLE_THEIRS, python)


def of_trace(trace: Path, python: str | None) -> None:
    """Time both sides, or only ours if the other is not installed."""
    opened = gzip.open if trace.suffix == ".gz" else open
    with opened(trace, "rb") as stream:
        size = sum(map(len, iter(lambda: stream.read(1 << 20), b"")))
    print(f"{trace.name}: {size / 2**20:.0f} MiB of JSON")
    peer = theirs(trace, python) if python else None
    answers = compare([ours(trace), *([peer] if peer else [])])
    if len(answers) == 2:
        agree("idle (us)", float(str(answers[0])), float(str(answers[1])), 1)
    else:
        print(f"HolisticTraceAnalysis is not installed; idle: {answers[0]} us")


def of_generated(num_kernels: int) -> None:
    """Time compute_util on a generated trace, and check its answer."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "torch_bs2.pt.trace.json"
        make_kineto.write(trace, num_kernels)
        print(f"{num_kernels:,} kernels, {trace.stat().st_size / 2**20:.0f} MiB of JSON")
        side = parser("compute_util", "--format", "json", str(trace), answer=_busy)
        (busy,) = compare([side], repeats=1 if num_kernels > 100_000 else 5)
        agree("busy (%)", float(str(busy)), make_kineto.busy_percent(num_kernels), 1e-9)


def _busy(output: str) -> float:
    return float(json.loads(output)[0]["busy (%)"])


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("trace", help="a trace, or the number of kernels to generate one with")
    options.add_argument("python", nargs="?", help="an interpreter with HolisticTraceAnalysis")
    given = options.parse_args()
    if given.trace.isdecimal():
        of_generated(int(given.trace))
    else:
        of_trace(Path(given.trace), given.python)
