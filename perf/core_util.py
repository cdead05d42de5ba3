#!/usr/bin/env python3
"""core_util against a bare pandas.read_csv of the same log: python perf/core_util.py [KERNELS].

With --wide the log is in the form of `ncu --page raw`, else of `ncu --metrics`. Both are timed as
whole processes: start, imports and reading; ours also computes the result, which is checked against
the generator's closed form. A million kernels are 1.7 GB.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import make_ncu_log
from sides import Side, agree, compare, parser


def percents(output: str) -> dict[str, float]:
    """The four lines that core_util prints."""
    return {cells[0]: float(cells[1]) for cells in map(str.split, output.splitlines())}


def main(num_kernels: int, *, wide: bool) -> None:
    """Generate a log, time both sides, and check the answer."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "nsight_bs2.csv"
        make_ncu_log.write(log, num_kernels, wide=wide)
        print(f"{num_kernels:,} kernels, {log.stat().st_size / 2**20:.0f} MiB")
        before = 0 if wide else 2  # lines before the header
        read = f"import pandas; pandas.read_csv({str(log)!r}, skiprows={before}, dtype=str)"
        ours, _ = compare(
            [
                parser("core_util", str(log), answer=percents),
                Side("pandas.read_csv", [sys.executable, "-c", read]),
            ],
            repeats=5 if num_kernels < 500_000 else 1,
        )
        for core, percent in make_ncu_log.expected(num_kernels).items():
            agree(f"{core} (%)", ours[core], percent, 1e-5)  # type: ignore[index]


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("kernels", type=int, nargs="?", default=16_000)
    options.add_argument("--wide", action="store_true", help="the form of ncu --page raw")
    asked = options.parse_args()
    main(asked.kernels, wide=asked.wide)
