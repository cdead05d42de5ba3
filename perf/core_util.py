#!/usr/bin/env python3
"""core_util against a bare pandas.read_csv of the same log: python perf/core_util.py [KERNELS].

Both as whole processes, in CPU seconds: start, imports, reading. The answer is checked against
the generator's closed form.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import make_ncu_log
from sides import Side, compare

ROOT = Path(__file__).resolve().parents[1]


def main(num_kernels: int) -> None:
    """Generate a log, time both sides, check the answer."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "nsight_bs2.csv"
        make_ncu_log.write(log, num_kernels)
        print(f"{num_kernels} kernels, {log.stat().st_size / 2**20:.0f} MiB")
        ours, _ = compare(
            [
                Side(
                    "detbench core-util",
                    f"import sys; sys.path.insert(0, {str(ROOT)!r})",
                    "from pathlib import Path\n"
                    "from detbench.readers.ncu_csv import read_ncu_csv\n"
                    "from detbench.utilization.core import METRICS, core_utilization\n"
                    f"table = read_ncu_csv(Path({str(log)!r}), METRICS)\n"
                    "answer = core_utilization(table).percent",
                    whole=True,
                ),
                Side(
                    "pandas.read_csv",
                    "",
                    f"import pandas; t = pandas.read_csv({str(log)!r}, skiprows=2, dtype=str)\n"
                    "answer = len(t)",
                    whole=True,
                ),
            ]
        )
        for core, percent in make_ncu_log.expected(num_kernels).items():
            agrees = abs(ours[core] - percent) < 1e-6  # type: ignore[index]
            print(f"{core}: {percent:.5f} %, {'agrees' if agrees else 'DIFFERS'}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 16_000)
