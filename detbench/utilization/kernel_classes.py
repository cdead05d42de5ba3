"""The purpose of a kernel or operator, guessed from its name: the first matching pattern."""

from __future__ import annotations

import re

_PATTERNS = (
    ("CUDA graph", r"^CUDA graph$"),
    ("communication", r"nccl|rccl|all_?reduce|all_?gather|reduce_?scatter|^c10d::|^gloo"),
    ("copy", r"^\[?(cuda )?mem(cpy|set)|^aten::(copy_|to|_to_copy|clone|contiguous|fill_|zero_)$"),
    ("nms", r"nms"),
    ("roi_align", r"roi_?(align|pool)"),
    ("norm", r"(batch|layer|group|instance)_?norm|bn_(fw|bw)|cunn_?.*norm|_norm"),
    ("pooling", r"pool"),
    ("conv", r"conv|fprop|dgrad|wgrad|implicit|winograd|nchwtonhwc|nhwctonchw"),
    ("other", r"flash_|attention|softmax"),  # their template arguments name cutlass
    ("gemm", r"gemm|gemv|nvjet|cutlass|xmma|cijk_|^aten::(mm|addmm|bmm|baddbmm|linear|matmul)$"),
    (
        "elementwise",
        r"elementwise|vectorized|foreach|multi_tensor|unrolled|triton_poi"
        r"|^aten::(add|sub|mul|div|relu|sigmoid|exp|log|sqrt|pow|clamp|threshold_backward|where)_?$",
    ),
)
_COMPILED = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _PATTERNS)


# Names of kernels on tensor cores contain the shape of the instruction (s16816, i8832,
# tensor16x8x8), or the instruction. The last two are Tensile's names for AMD's matrix cores.
_TENSOR_CORES = re.compile(
    r"(?<![a-z0-9])[a-z]{1,4}(884|8816|8832|1688|16816|16832|16864)(?=[a-z_]|$)"
    r"|tensorop(?!t)|tensor\d+x\d+x\d+|[hiqd]mma_|wgmma|_gmma|warpgroupsize|nvjet"
    r"|mfma|_MI\d+x\d+x\d+",
    re.IGNORECASE,
)


def names_a_tensor_core(name: str) -> bool:
    """Whether a kernel's name says that it uses tensor cores; without saying so it still may."""
    return bool(_TENSOR_CORES.search(name))


def kernel_class(name: str) -> str:
    """conv, gemm, elementwise, norm, pooling, roi_align, nms, communication, copy or other.

    A whole CUDA graph, whose kernels were not recorded, is a class of its own.
    """
    return next((found for found, pattern in _COMPILED if pattern.search(name)), "other")
