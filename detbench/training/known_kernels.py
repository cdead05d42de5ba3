"""Kernels whose use of a GPU's cores is known: `python -m detbench.training.known_kernels NAME`.

They check the counters, and the names that this suite gives them, on a GPU: see
`detbench.checking`. Only the last of a few launches is inside the profiled range.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch

_WARM_UP = 3  # launches, after which libraries have chosen their algorithm


def _bf16_gemm() -> Callable[[], object]:
    matrix = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    return lambda: matrix @ matrix


def _fp32_gemm() -> Callable[[], object]:
    torch.set_float32_matmul_precision("highest")  # no TF32, which is the tensor cores'
    matrix = torch.randn(4096, 4096, device="cuda")
    return lambda: matrix @ matrix


def _fp16_elementwise() -> Callable[[], object]:
    numbers = torch.randn(1 << 26, device="cuda").half()
    return lambda: torch.addcmul(numbers, numbers, numbers)


KERNELS = {
    "bf16-gemm": _bf16_gemm,
    "fp32-gemm": _fp32_gemm,
    "fp16-elementwise": _fp16_elementwise,
}
"""By name: prepares a kernel's data and returns the launch."""


def main(name: str) -> None:
    """Launch one kernel, the last time inside the profiler's range."""
    launch = KERNELS[name]()
    for _ in range(_WARM_UP):
        launch()
    torch.cuda.synchronize()
    torch.cuda.profiler.start()
    launch()
    torch.cuda.synchronize()
    torch.cuda.profiler.stop()


if __name__ == "__main__":
    main(sys.argv[1])
