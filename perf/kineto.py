#!/usr/bin/env python3
"""Reading a Kineto trace against HolisticTraceAnalysis: python perf/kineto.py TRACE PYTHON.

PYTHON is an interpreter that has HolisticTraceAnalysis 0.5. Timed is what both do for one trace:
load it and split the time from its first to its last GPU activity into busy and idle; imports
are not. Both idle times are printed, HTA's in whole microseconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sides import Side, compare

ROOT = Path(__file__).resolve().parents[1]


def main(trace: Path, hta_python: str) -> None:
    """Time both sides, print both idle times."""
    ours, theirs = compare(
        [
            Side(
                "detbench",
                f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
                "from pathlib import Path\n"
                "from detbench.readers.kineto import read_kineto\n"
                "from detbench.utilization.intervals import gaps",
                f"table = read_kineto(Path({str(trace)!r})).activities\n"
                "gpu = table[table['kind'] != 'operator']\n"
                "start = gpu['start (ns)'].to_numpy()\n"
                "end = start + gpu['duration (ns)'].to_numpy()\n"
                "answer = int(gaps(start, end, (start.min(), end.max())).sum()) / 1000",
            ),
            Side(
                "HolisticTraceAnalysis",
                "import shutil, tempfile; from hta.trace_analysis import TraceAnalysis\n"
                "folder = tempfile.mkdtemp()\n"
                f"file = shutil.copy({str(trace)!r}, folder + '/rank_0.json.gz')",
                # Without the flag it leaves out the last step (its issue 76).
                "analysis = TraceAnalysis(trace_files={0: file}, trace_dir=folder,"
                " include_last_profiler_step=True)\n"
                "table = analysis.get_temporal_breakdown(visualize=False)\n"
                "answer = float(table['idle_time(us)'].iloc[0]); shutil.rmtree(folder)",
                python=hta_python,
            ),
        ]
    )
    print(f"idle: {ours} us, {theirs} us")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
