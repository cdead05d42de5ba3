"""The purpose of a kernel or operator, guessed from its name: the first matching pattern."""

from __future__ import annotations

import re

# The first one that fits: what a kernel does comes before what it does it with.
_PATTERNS = (
    ("CUDA graph", r"^CUDA graph$"),
    ("communication", r"nccl|rccl|all_?reduce|all_?gather|reduce_?scatter|all2all|^c10d::|^gloo"),
    ("copy", r"^\[?(cuda )?mem(cpy|set)|^aten::(copy_|to|_to_copy|clone|contiguous|fill_|zero_)$"),
    # torch.compile: poi is pointwise whatever it follows, red and per reduce, tem is a template.
    ("pooling", r"^triton_\w*pool"),
    ("embedding", r"^triton_\w*(?<!rotary_)embedding"),
    ("softmax", r"^triton_\w*softmax"),
    ("norm", r"^triton_\w*(_norm|mean_\w*rsqrt|var_mean)"),
    ("elementwise", r"^(triton_poi|nvfuser_pointwise|fused_)"),
    ("reduce", r"^(triton_(red|per)|nvfuser_\w*reduction)"),
    ("nms", r"nms"),
    ("roi_align", r"roi_?(align|pool)"),
    ("attention", r"flash_|flash::|fmha|attention|(^|_)attn|mha_(fwd|bwd)|sdpa"),
    ("softmax", r"softmax"),
    ("loss", r"nll_?loss|(smooth_?l1|huber|mse|focal|ctc|bce|entropy\w*)_?loss|cross_?entropy"
             r"|focal|smooth_?l1|huber"),
    ("optimizer", r"multi_?tensor|foreach|fused_?(adam|sgd)|(^|_|::)(adam|adamw|sgd|lamb|rmsprop)_"
                  r"|apply(momentum|adam|gradientdescent)"),
    ("norm", r"(batch|layer|group|instance|rms)_?norm|bn_(fw|bw)|cunn_?.*norm|_norm"
             r"|gammabeta|rowwisemoments|computeinternalgradients"),
    ("pooling", r"pool"),
    ("upsample", r"upsampl|interpolat|grid_?sampl"),
    # Complex products, and FFTs in two dimensions, are those of cuDNN's convolutions.
    ("conv", r"conv(?!ert)|fprop|dgrad|wgrad|implicit|winograd|nchwtonhwc|nhwctonchw|[a-z0-9]cudnn_"
             r"|fft2d_|cgemm|im2col|col2im|im2d2col|igemm|flip_filter|compute\w*offsets"),
    ("embedding", r"(?<!rotary_)embedding|compute_grad_weight|linearize_index"
                  r"|bounds_check_indices"),
    ("dropout", r"dropout"),
    ("random", r"distribution_|curand|philox|bernoulli|randperm|init_?rng"),
    ("sort", r"sort|top_?k|radix\w*(sort|select|find)|scan(_|kernel|tile|by)|_scan|cumsum|unique"
             r"|histogram"),
    ("index", r"index_?(select|put|add|copy|fill|elementwise|func|kernel|get)|gather|scatter"
              r"|indexing_|nonzero|device_?select|write_indices|^aten::(index|take|masked_select)"),
    ("gemm", r"(?<!fb)gemm|gemv|nvjet|cutlass|xmma|cijk_|mat(rix)?_?mul|splitkreduce"
             r"|(^|_)(add|b|badd)?mm_|^aten::(mm|addmm|bmm|baddbmm|linear|matmul)$"),
    ("layout", r"transpose|catarray|_cat_|permute|reflection_pad|pad_?data|constant_pad"
               r"|tensortransform|roll_|recat_|shuffleintensor|swapdimension"),
    ("reduce", r"reduce|reduction|^aten::(sum|mean|max|min|amax|amin|argmax|argmin|any|all)$"),
    ("fft", r"fft|^sp(radix|vector|realcomplex)|spradix|sprealcomplex|postprocess2d|^spprocess2d"),
    (
        "elementwise",
        r"elementwise|vectorized|unrolled|subtensorop|op_?\w*tensor|op1dtensor|scalepackedtensor"
        r"|rotary_|quantize|_quant|add_?bias|addtensor|neuron(fwd|bwd)|pointwise|eigenmetakernel"
        r"|mapplan|mxnet_generic|relu|gelu|silu|swish|sigmoid|tanh"
        r"|^aten::(add|sub|mul|div|relu|sigmoid|exp|log|sqrt|pow|clamp|threshold_backward|where)_?$",
    ),
)  # fmt: skip
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
    """conv, gemm, elementwise, ...: one of those in docs/metrics.md, or other.

    A whole CUDA graph, whose kernels were not recorded, is a class of its own.
    """
    return next((found for found, pattern in _COMPILED if pattern.search(name)), "other")
