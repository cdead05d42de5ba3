#!/usr/bin/env python3
"""The time that parsers take for small files: python perf/small_files.py.

This is how long a user waits for --help or for the table of a small file. For comparison, it times
bare Python, and Python importing only numpy, or only pandas, which every table needs.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import make_kineto
import make_ncu_log
import make_nsys_sqlite
from core_util import percents
from sides import ROOT, Side, agree, compare, parser

sys.path.insert(0, str(ROOT))

from tests.builders import DETECTRON2_LOG, MEMORY, SMI

_NUM_KERNELS = 1000


def main() -> None:
    """Write small files, time the parsers on them, and check two answers."""
    with tempfile.TemporaryDirectory() as folder:
        log, trace, export = (Path(folder) / name for name in ("a.csv", "b.json", "c.sqlite"))
        make_ncu_log.write(log, _NUM_KERNELS)
        make_kineto.write(trace, _NUM_KERNELS)
        make_nsys_sqlite.write(export, _NUM_KERNELS)
        others = {"memory_util": MEMORY, "monitor_util": SMI, "throughput": DETECTRON2_LOG}
        for name, text in others.items():
            (Path(folder) / name).write_text(text)
        sides = {
            "python": Side("", [sys.executable, "-c", "pass"]),
            "python, import numpy": Side("", [sys.executable, "-c", "import numpy"]),
            "python, import pandas": Side("", [sys.executable, "-c", "import pandas"]),
            "core_util.py --help": parser("core_util", "--help"),
            "core_util.py, Nsight Compute": parser("core_util", str(log), answer=percents),
            "compute_util.py, PyTorch profiler": parser("compute_util", str(trace)),
            "compute_util.py, the same as JSON": parser(
                "compute_util", "--format", "json", str(trace), answer=json.loads
            ),
            "compute_util.py, Nsight Systems": parser("compute_util", str(export)),
            **{f"{name}.py": parser(name, str(Path(folder) / name)) for name in others},
        }
        print(f"{_NUM_KERNELS:,} kernels each")
        said = compare([replace(side, name=name) for name, side in sides.items()])
        answers = dict(zip(sides, said, strict=True))
    fma = answers["core_util.py, Nsight Compute"]["fma"]  # type: ignore[index]
    agree("fma (%)", fma, make_ncu_log.expected(_NUM_KERNELS)["fma"], 1e-5)
    busy = answers["compute_util.py, the same as JSON"]["device"][0]["busy (%)"]  # type: ignore[index]
    agree("busy (%)", busy, make_kineto.busy_percent(_NUM_KERNELS), 1e-9)


if __name__ == "__main__":
    main()
