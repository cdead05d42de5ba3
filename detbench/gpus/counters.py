"""The Nsight Compute metrics that measure the utilization of each core, by chip.

Source: `ncu --query-metrics --chips ...` of Nsight Compute 2022.3 for GV100 to GH100, of 2024.1 for
GH100, and the metric lists of newer versions for Blackwell; the collector also asks the installed
ncu.
"""

from __future__ import annotations

import subprocess

CYCLES = "gpc__cycles_elapsed.max"
"""A kernel's length in cycles: the weight of its utilization."""

ELAPSED = ".avg.pct_of_peak_sustained_elapsed"

CORES = ("fma", "fp16", "tensor", "sfu")
"""The four lines of the core utilization table, in their order."""

_ISSUE = "sm__inst_executed_pipe_"

METRICS: dict[str, tuple[str, ...]] = {
    "fma": (f"{_ISSUE}fma{ELAPSED}",),
    # From GA10x on the FP16 pipe is part of the FMA pipe and is counted by instruction type.
    "fp16": (f"{_ISSUE}fp16{ELAPSED}", f"{_ISSUE}fma_type_fp16{ELAPSED}"),
    "tensor": (f"{_ISSUE}tensor{ELAPSED}",),
    # XU does transcendental functions and conversions between integers and floats.
    "sfu": (f"{_ISSUE}xu{ELAPSED}",),
}
"""By core: the metrics that can measure it, one of which a chip has."""

TENSOR_ACTIVE = f"sm__pipe_tensor_cycles_active{ELAPSED}"
"""Cycles in which the tensor pipe worked; instruction issue under-reports multi-cycle HMMA."""

TENSOR_CYCLES = (TENSOR_ACTIVE, f"sm__pipe_tc_cycles_active{ELAPSED}")
"""The metrics that can measure the tensor cycles; the latter is the pipe of tcgen05 (10.x)."""

CYCLES_FROM = (9, 0)
"""From this compute capability on, one wgmma instruction keeps the tensor pipe busy for many
cycles, and issue says nothing of its use: a public report of an attention kernel has 45.8 % of
cycles active and 2.9 % of issue. There the line `tensor` is the cycles."""

BESIDE: dict[str, tuple[str, ...]] = {
    "tensor cycles": TENSOR_CYCLES,
    "tensor issue": METRICS["tensor"],
    "wgmma issue": (f"{_ISSUE}tensor_op_gmma{ELAPSED}",),
    # Named by operand type: FP16 and BF16 of HMMA and wgmma; renamed on Blackwell.
    "hmma cycles": (
        f"sm__pipe_tensor_op_hmma_type_hmma_hgmma_qgmma_cycles_active{ELAPSED}",
        f"sm__pipe_tensor_subpipe_hmma_cycles_active{ELAPSED}",
    ),
    # Packed FP16 arithmetic of GA100 and GH100, which has no pipe of its own there.
    "fp16 on tensor": (f"{_ISSUE}tensor_op_hmma_type_hfma2{ELAPSED}",),
}
"""By name: what is shown beside the four cores, where it was collected."""

ALL = (
    CYCLES,
    *dict.fromkeys(
        metric for choices in (*METRICS.values(), *BESIDE.values()) for metric in choices
    ),
)
"""Every metric that the table of core utilization is made of."""

CHIPS: dict[tuple[int, int], str] = {
    (7, 0): "gv100",
    (7, 5): "tu102",
    (8, 0): "ga100",
    (8, 6): "ga102",
    (8, 9): "ad102",
    (9, 0): "gh100",
    (10, 0): "gb100",
    (10, 3): "gb110",
    (11, 0): "gb10b",
    (12, 0): "gb202",
    (12, 1): "gb20b",
}
"""By compute capability: the chip's name as `ncu --chips` spells it."""

_FP16_PIPE = ("gv100", "tu102", "ga100")
_PACKED_FP16_ON_TENSOR = ("ga100", "gh100")
_HOPPER, _BLACKWELL = ("gh100",), ("gb100", "gb110", "gb10b", "gb202", "gb20b")


def wanted(chip: str | None) -> list[str]:
    """The metrics to collect on a chip; both FP16 metrics if the chip is unknown."""
    fp16 = METRICS["fp16"]
    if chip is not None:
        fp16 = fp16[:1] if chip in _FP16_PIPE else fp16[1:]
    by_core = {**METRICS, "fp16": fp16}
    found = [CYCLES, *(m for core in CORES for m in by_core[core]), TENSOR_ACTIVE]
    if chip in _PACKED_FP16_ON_TENSOR:
        found += BESIDE["fp16 on tensor"]
    if chip in _HOPPER:
        found += [*BESIDE["wgmma issue"], BESIDE["hmma cycles"][0]]
    if chip in _BLACKWELL:
        found += [TENSOR_CYCLES[1], BESIDE["hmma cycles"][1]]
    return found


def offered(ncu: str, chip: str) -> set[str]:
    """The base names of the metrics that this ncu has for a chip; needs no GPU.

    Empty if ncu does not know the chip or fails.
    """
    done = subprocess.run(
        [ncu, "--query-metrics", "--chips", chip],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return {line.split()[0] for line in done.stdout.splitlines() if "__" in line.split(" ")[0]}
