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
ACTIVE = ".avg.pct_of_peak_sustained_active"
"""The same peak over the cycles in which the unit worked, of which `SM_ACTIVE` are a share."""

SM_ACTIVE = "sm__cycles_active.avg"
"""Of a kernel's cycles those in which a multiprocessor had work."""

WEIGHTS = (CYCLES, "sm__cycles_elapsed.max", "sm__cycles_elapsed.avg", "gpu__time_duration.sum")
"""What can weigh the kernels, in the order of preference."""

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
    # Sections of Nsight Compute hold the pipe's cycles, and not the issue that is `fma`.
    "fma cycles": (f"sm__pipe_fma_cycles_active{ELAPSED}",),
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

_SHARES = tuple(
    dict.fromkeys(m for choices in (*METRICS.values(), *BESIDE.values()) for m in choices)
)
ALL = (*WEIGHTS, SM_ACTIVE, *_SHARES, *(m.replace(ELAPSED, ACTIVE) for m in _SHARES))
"""Every metric that the table of core utilization is made of."""

CLOCKS = ("smsp__cycles_elapsed.avg.per_second", "dram__cycles_elapsed.avg.per_second")
"""The clocks of the multiprocessors and of the memory while a kernel ran, which nobody locked."""

DURATION = WEIGHTS[-1]
"""A kernel's time, in ns."""

BYTES: tuple[tuple[str, ...], ...] = (
    ("dram__bytes.sum",),
    ("dram__bytes_read.sum", "dram__bytes_write.sum"),
    ("dram__bytes_op_read.sum", "dram__bytes_op_write.sum"),  # Blackwell's names
)
"""Metrics whose sum is the memory traffic; the first of these that was collected counts."""

_SASS = "smsp__sass_thread_inst_executed_op_{}_pred_on.sum"

OPERATIONS: dict[str, dict[str, int]] = {
    "fp32": {_SASS.format("fadd"): 1, _SASS.format("fmul"): 1, _SASS.format("ffma"): 2},
    "fp64": {_SASS.format("dadd"): 1, _SASS.format("dmul"): 1, _SASS.format("dfma"): 2},
    "fp16 vector": {_SASS.format("hadd"): 1, _SASS.format("hmul"): 1, _SASS.format("hfma"): 2},
    "fp16": {"sm__ops_path_tensor_src_fp16.sum": 1},
    "bf16": {"sm__ops_path_tensor_src_bf16_dst_fp32.sum": 1},
    "tf32": {"sm__ops_path_tensor_src_tf32_dst_fp32.sum": 1},
}
"""By precision, as `peaks` has them: metrics, and the operations that one count of each stands for.

Nsight Compute's own roofline sections weigh instructions so; fp16, bf16 and tf32 are of Tensor
Cores, whose operations older versions and chips do not count.
"""

ROOFLINE = (
    DURATION,
    *(metric for way in BYTES for metric in way),
    *(metric for weights in OPERATIONS.values() for metric in weights),
)
"""The metrics of the roofline."""

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
    found = [CYCLES, *(m for core in CORES for m in by_core[core]), TENSOR_ACTIVE, *CLOCKS]
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
    try:
        done = subprocess.run(
            [ncu, "--query-metrics", "--chips", chip],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    except (OSError, subprocess.TimeoutExpired):
        return set()
    return {line.split()[0] for line in done.stdout.splitlines() if "__" in line.split(" ")[0]}
