#!/usr/bin/env python3
"""Write an Nsight Compute CSV log of any size: python perf/make_ncu_log.py KERNELS FILE [wide].

The log has the long form of `ncu --csv --metrics ...`, with the lines that ncu prints around it, or
the wide one of `--page raw`. All values derive from the kernel's number, so
`expected` has a closed form.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

_PIPE = "sm__inst_executed_pipe_{}.avg.pct_of_peak_sustained_elapsed"
_SASS = "smsp__sass_thread_inst_executed_op_{}_pred_on.sum"
CORES = {"fma": "fma", "fp16": "fp16", "tensor": "tensor", "sfu": "xu"}
_COLUMNS = (
    "ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Kernel Time", "Context",
    "Stream", "Section Name", "Metric Name", "Metric Unit", "Metric Value",
)  # fmt: skip
NAME = (
    "void cudnn::ops::nchwToNhwcKernel_{}<float, float, float, (bool)0, (bool)1, "
    "(cudnnKernelDataType_t)2>(cudnn::ops::nchw2nhwc_params_t<T3>, const T1 *, T2 *)"
)


def cycles(kernel: int) -> int:
    """Cycles of a kernel: a thousand to a million, so that ncu's digit grouping occurs."""
    return 1000 + kernel * 7919 % 1_000_000


def percent(kernel: int, core: str) -> float:
    """Utilization of a core by a kernel in percent, with two decimals like ncu's."""
    return (kernel * (3 + list(CORES).index(core)) % 10_000) / 100


def expected(num_kernels: int) -> dict[str, float]:
    """The cycle-weighted utilization of the whole log, in percent."""
    total = sum(map(cycles, range(num_kernels)))
    return {
        core: sum(cycles(k) * percent(k, core) for k in range(num_kernels)) / total
        for core in CORES
    }


def lines(num_kernels: int, *, roofline: bool = False) -> Iterator[str]:
    """The log, line by line; with `roofline` also operations, memory traffic and durations."""
    yield "==PROF== Connected to process 4711 (/usr/bin/python3.11)"
    yield "[11/24 12:00:00 d2.engine.train_loop]: Starting training from iteration 0"
    yield _row(_COLUMNS)
    for kernel in range(num_kernels):
        start = (str(kernel), "4711", "python3.11", "127.0.0.1", NAME.format(kernel % 97))
        where = ("2026-Nov-24 12:00:00", "1", "7", "Command line profiler metrics")
        values = [("gpc__cycles_elapsed.max", "cycle", f"{cycles(kernel):,}")]
        for core, pipe in CORES.items():
            values.append((_PIPE.format(pipe), "%", f"{percent(kernel, core):.2f}"))
        if roofline:  # a GHz, two operations a cycle and thread of 1024, and some bytes
            values += [
                ("gpu__time_duration.sum", "nsecond", f"{cycles(kernel):,}"),
                ("dram__bytes.sum", "byte", f"{cycles(kernel) * (1 + kernel % 97) * 4:,}"),
                (_SASS.format("ffma"), "inst", f"{cycles(kernel) * 1024:,}"),
            ]
        for value in values:
            yield _row([*start, *where, *value])
    yield "==PROF== Disconnected from process 4711"


def wide_lines(num_kernels: int) -> Iterator[str]:
    """The same in the wide form, line by line: one row per kernel, and a row of units."""
    metrics = {"gpc__cycles_elapsed.max": "cycle", **{_PIPE.format(p): "%" for p in CORES.values()}}
    yield _row([*_COLUMNS[:8], *metrics])
    yield _row([*[""] * 8, *metrics.values()])
    for kernel in range(num_kernels):
        start = (str(kernel), "4711", "python3.11", "127.0.0.1", NAME.format(kernel % 97))
        values = [f"{cycles(kernel):,}", *(f"{percent(kernel, core):.2f}" for core in CORES)]
        yield _row([*start, "2026-Nov-24 12:00:00", "1", "7", *values])


def _row(cells: Sequence[str]) -> str:
    return ",".join(f'"{cell}"' for cell in cells)


def write(path: Path, num_kernels: int, *, wide: bool = False, roofline: bool = False) -> None:
    """Write the log."""
    with path.open("w", encoding="utf-8") as stream:
        text = wide_lines(num_kernels) if wide else lines(num_kernels, roofline=roofline)
        stream.writelines(line + "\n" for line in text)


if __name__ == "__main__":
    write(Path(sys.argv[2]), int(sys.argv[1]), wide=sys.argv[3:] == ["wide"])
