"""The purpose of a kernel, by names that real tools wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from detbench.errors import BadFileError
from detbench.readers.timeline import KernelSums
from detbench.readers.timeline_file import read_timeline
from detbench.utilization.kernel_classes import kernel_class
from tests.conftest import CORPUS

NAMES = {
    "conv": [
        "volta_scudnn_128x64_relu_interior_nn_v1",
        "maxwell_scudnn_winograd_128x128_ldg1_ldg4_tile148n_nt_v1",
        "turing_fp16_s1688cudnn_fp16_128x128_ldg8_relu_f2f_exp_small_nhwc_tn_v1",
        "void fft2d_r2c_32x32<float, false, 0u, false>(float2*, float const*)",
        "void cudnn::detail::implicit_convolve_sgemm<float, float, 1024, 5, 5, 3, 3, 3, 1>",
        "void cudnn::detail::explicit_convolve_sgemm<float, int, 128>",
        "void im2col4d_kernel<float, int>(im2col4d_params)",
        "volta_gcgemm_32x32_nt",
        "void cudnn::winograd::generateWinogradTilesKernel<0, float, float>",
        "void cudnn::detail::dgrad_engine<float, 512, 6, 5, 3, 3, 3, false>",
        "cudnn::maxwell::gemm::computeOffsetsKernel(cudnn::maxwell::gemm::ComputeOffsetsParams)",
        "void cudnn::ops::nchwToNhwcKernel<float, float, float, false, true>",
        "sm80_xmma_fprop_implicit_gemm_tf32f32_tf32f32_f32_nhwckrsc_nchw_tilesize128x128x16",
        "miopenSp3AsmConv_v21_1_3_gfx9_fp32_stride2",
        "igemm_wrw_gtcx2_nhwc_bf16_bx0_ex1_bt128x128x16",
        "Im2d2Col",
        "void DeformableIm2ColKernel<float>",
    ],
    "gemm": [
        "ampere_sgemm_128x64_tn",
        "Cijk_Ailk_Bljk_HHS_BH_MT128x128x32_MI32x32x8x1_SN",
        "nvjet_hsh_128x256_64x4_1x2_h_bz_coopA_TNT",
        "void cublasLt::splitKreduce_kernel<32, 16, int, float>",
        "triton_tem_fused_mm_3",
        "void matrixMulCUDA<int=32>(float*, float*, float*, int, int)",
    ],
    "attention": [
        "void flash::flash_fwd_kernel<Flash_fwd_kernel_traits<128, cutlass::bfloat16_t>>",
        "fmha_cutlassF_bf16_aligned_64x64_rf_sm80(PyTorchMemEffAttention::AttentionKernel<...>)",
        "attn_fwd",
        "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_3",
    ],
    "softmax": ["void (anonymous namespace)::softmax_warp_forward<float, float, float, 6>"],
    "loss": [
        "void at::native::(anonymous namespace)::nll_loss_forward_reduce_cuda_kernel_2d<float>",
        "void SigmoidFocalLossForward<float>(int, float const*)",
    ],
    "optimizer": [
        "void at::native::(anonymous namespace)::multi_tensor_apply_kernel<TensorListMetadata<1>>",
        "void multi_tensor_apply_kernel<TensorListMetadata<4>, AdamFunctor<float>, float>",
    ],
    "norm": [
        "void at::native::batch_norm_backward_elemt_kernel<float>",
        "void cudnn::bn_fw_tr_1C11_kernel_NCHW<float, float, 512, true, 1>",
        "triton_red_fused__unsafe_view_add_mean_mul_pow_rsqrt_1",
        "triton_per_fused_native_layer_norm_2",
        "MIOpenBatchNormFwdTrainSpatialNorm",
        "void at::native::(anonymous namespace)::GammaBetaBackwardCUDAKernel<float, float>",
    ],
    "elementwise": [
        "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>>",
        "triton_poi_fused_convolution_relu_3",
        "triton_poi_fused__to_copy_add_0",
        "SubTensorOpWithScalar1d",
        "relu_kernel",
        "void op_generic_tensor_kernel<2, float, float, float, 256>",
        "void kernelPointwiseApply2<TensorAddOp<float>, float, float, unsigned int, -2, -2>",
        "void vllm::rotary_embedding_kernel<c10::BFloat16, true>(long const*)",
    ],
    "reduce": [
        "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, MeanOps<float>>>",
        "triton_red_fused_convolution_backward_sum_4",
        "triton_per_fused_sum_7",
    ],
    "sort": [
        "void cub::DeviceRadixSortOnesweepKernel<cub::DeviceRadixSortPolicy<long, int, int>>",
        "void at::native::sbtopk::gatherTopK<float, unsigned int, 1, false>",
        "void cub::DeviceScanKernel<cub::AgentScanPolicy<128, 15, int>>",
    ],
    "index": [
        "void at::native::index_elementwise_kernel<128, 4, at::native::gpu_index_kernel<...>>",
        "void at::native::_scatter_gather_elementwise_kernel<128, 8>",
        "void cub::DeviceSelectSweepKernel<cub::DispatchSelectIf<...>>",
    ],
    "embedding": ["void split_embedding_codegen_forward_unweighted_kernel<float, float, long>"],
    "dropout": ["void at::native::(anonymous namespace)::fused_dropout_kernel_vec<float, float>"],
    "random": ["void at::native::distribution_elementwise_grid_stride_kernel<float, 4>"],
    "pooling": [
        "void at::native::(anonymous namespace)::max_pool_forward_nchw<float>",
        "triton_poi_fused_max_pool2d_with_indices_2",
    ],
    "upsample": ["void at::native::(anonymous namespace)::upsample_nearest2d_out_frame<float>"],
    "layout": [
        "void at::native::(anonymous namespace)::CatArrayBatchedCopy<float, unsigned int, 2, 64>",
        "batched_transpose_32x32_half",
    ],
    "roi_align": ["void RoIAlignForward<float>(int, float const*)"],
    "nms": ["void nms_kernel_impl<float>(int, double, float const*)"],
    "communication": [
        "ncclDevKernel_AllReduce_Sum_f32_RING_LL(ncclDevKernelArgsStorage<4096ul>)",
        "ncclKernel_AllGather_RING_LL_Sum_int8_t(ncclWorkElem)",
        "rccl_main_kernel_4",
    ],
    "copy": ["[CUDA memcpy HtoD]", "Memset (Device)"],
    "CUDA graph": ["CUDA graph"],
    "other": ["my_kernel"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"), [(name, found) for found, names in NAMES.items() for name in names]
)
def test_the_class_follows_from_the_name(name: str, expected: str) -> None:
    assert kernel_class(name) == expected


REAL = [
    path.relative_to(CORPUS)
    for kind in ("kineto", "nsys", "nvprof")
    for path in sorted((CORPUS / kind).glob("*"))
]


@pytest.mark.corpus
@pytest.mark.parametrize("file", REAL, ids=str)
def test_of_real_files_hardly_any_time_is_of_no_class(file: Path) -> None:
    try:
        found = read_timeline(CORPUS / file)
    except BadFileError:
        pytest.skip("no timeline in it")
    if isinstance(found, KernelSums):
        names, times = found.kernels["name"], found.kernels["total (ns)"]
    else:
        kernels = found.activities[found.activities["kind"] == "kernel"]
        names, times = kernels["name"], kernels["duration (ns)"]
    is_other = names.astype("str").map(kernel_class) == "other"
    assert times[is_other].sum() <= 0.1 * times.sum()
