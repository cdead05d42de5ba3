"""The figures of other tools, by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from detbench.readers.kineto import read_kineto
from detbench.readers.timeline import Timeline
from detbench.utilization import compute
from detbench.utilization.definitions import by_definition
from detbench.utilization.kernel_classes import names_a_tensor_core
from detbench.utilization.plugin_steps import plugin_steps

Event = dict[str, Any]


def on_cpu(name: str, ts: int, dur: int, cat: str = "user_annotation") -> Event:
    return {"ph": "X", "cat": cat, "name": name, "ts": ts, "dur": dur, "tid": 1, "args": {}}


def launched(at: int, ts: int, dur: int, name: str = "gemm", cat: str = "kernel") -> list[Event]:
    """The call on the CPU at `at`, and what it launched."""
    call = on_cpu("cudaLaunchKernel", at, 1, "cuda_runtime")
    call["args"] = {"correlation": 1000 + at}
    arguments = {"device": 0, "stream": ts % 3, "correlation": 1000 + at}
    return [call, {**on_cpu(name, ts, dur, cat), "args": arguments}]


def kernel(ts: int, dur: int, blocks: float | str, occupancy: float) -> Event:
    arguments = {
        "device": 0,
        "stream": 7,
        "blocks per SM": blocks,
        "est. achieved occupancy %": occupancy,
    }
    return {**on_cpu("k", ts, dur, "kernel"), "args": arguments}


def read(folder: Path, *events: Event) -> Timeline:
    path = folder / "t.json"
    path.write_text(json.dumps(events))
    return read_kineto(path, launches=True)


def figures(timeline: Timeline, tool: str) -> dict[str, Any]:
    rows = by_definition(timeline, ["0"]).to_dict("records")
    return {row["name"]: row for row in rows if row["defined by"] == tool}


STEPS = [on_cpu("ProfilerStep#1", 0, 50), on_cpu("ProfilerStep#2", 60, 40)]


def test_the_plugins_steps_last_until_what_they_launched_has_run(tmp_path: Path) -> None:
    timeline = read(
        tmp_path,
        *STEPS,
        *launched(10, 20, 10),
        *launched(40, 45, 25),
        *launched(70, 110, 10),
        *launched(80, 120, 10),
    )
    # The first ends with its kernel at 70, the second begins there and ends with its own at 130.
    assert plugin_steps(timeline) == [(0, 70_000), (70_000, 130_000)]
    found = figures(timeline, "TensorBoard plugin")
    # [20, 30), [45, 70), [110, 130) of [0, 130).
    assert found["GPU Utilization"]["share (%)"] == pytest.approx(100 * 55 / 130)
    assert found["average step"]["time (ms)"] == pytest.approx(0.065)
    assert found["kernel total"]["time (ms)"] == pytest.approx(0.055)
    # Ours cuts the window where the iterations end on the CPU: [20, 30), [45, 70) of [0, 100).
    assert figures(timeline, "detbench")["busy"]["share (%)"] == pytest.approx(35)


def test_the_plugin_leaves_out_a_last_step_that_lost_launches(tmp_path: Path) -> None:
    timeline = read(
        tmp_path, *STEPS, *launched(10, 20, 10), *launched(40, 45, 25), *launched(70, 110, 10)
    )
    assert plugin_steps(timeline) == [(0, 70_000)]


def test_the_plugins_first_step_begins_after_the_work_of_before(tmp_path: Path) -> None:
    timeline = read(tmp_path, STEPS[0], *launched(-5, 0, 5), *launched(10, 20, 10))
    assert plugin_steps(timeline) == [(5_000, 50_000)]


def test_without_steps_the_plugin_takes_all_operators_for_one(tmp_path: Path) -> None:
    operators = [on_cpu("aten::mm", 5, 10, "cpu_op"), on_cpu("aten::mm", 30, 10, "cpu_op")]
    assert plugin_steps(read(tmp_path, *operators, *launched(10, 20, 5))) == [(5_000, 40_000)]
    assert plugin_steps(read(tmp_path, *launched(10, 20, 5))) == []


def test_what_is_exposed_ran_beside_no_computation(tmp_path: Path) -> None:
    timeline = read(
        tmp_path,
        *launched(0, 0, 10),
        *launched(1, 5, 10, "ncclDevKernel_AllReduce"),
        *launched(2, 12, 8, "Memcpy HtoD", "gpu_memcpy"),
        *launched(3, 30, 5, "Memset (Device)", "gpu_memset"),
        *launched(4, 90, 10),
    )
    theirs = {n: row["time (ms)"] * 1e3 for n, row in figures(timeline, "TraceLens").items()}
    assert theirs == pytest.approx(
        {
            "computation_time": 25,  # [0, 10), [30, 35), [90, 100): sets count as computation
            "exposed_comm_time": 5,  # [10, 15)
            "exposed_memcpy_time": 5,  # [15, 20)
            "busy_time": 35,
            "idle_time": 65,
            "total_time": 100,
            "total_comm_time": 10,
            "total_memcpy_time": 8,
        }
    )
    shares = {n: row["share (%)"] for n, row in figures(timeline, "HolisticTraceAnalysis").items()}
    # Sets are none here: [0, 10) and [90, 100).
    assert shares == pytest.approx({"idle_time": 65, "compute_time": 20, "non_compute_time": 15})


def test_estimates_are_cut_at_the_window_and_capped_at_a_full_gpu(tmp_path: Path) -> None:
    timeline = read(
        tmp_path,
        on_cpu("ProfilerStep#1", 0, 50),
        kernel(0, 10, 0.5, 40),
        kernel(5, 10, 0.8, 70),
        kernel(40, 20, 2, 100),
        kernel(20, 5, -1, -1),
    )
    (row,) = compute.by_device(timeline, ["0"]).to_dict("records")
    # [0, 5) at 0.5, [5, 10) at 1.3 and so 1, [10, 15) at 0.8, [40, 50) at 2 and so 1: 21.5 of 50.
    assert row["SM efficiency, estimated (%)"] == pytest.approx(43, rel=1e-6)
    # 10 us each of 40, 70 and 100.
    assert row["achieved occupancy, estimated (%)"] == pytest.approx(70)


def test_without_estimates_there_are_none(tmp_path: Path) -> None:
    timeline = read(tmp_path, kernel(0, 10, "N/A", 101))
    row = compute.by_device(timeline, ["0"]).iloc[0]
    assert row[["SM efficiency, estimated (%)", "achieved occupancy, estimated (%)"]].isna().all()


def test_a_last_kernel_without_length_is_counted(tmp_path: Path) -> None:
    timeline = read(tmp_path, *launched(0, 0, 0), *launched(1, 10, 5), *launched(2, 40, 0))
    row = compute.by_device(timeline, ["0"]).iloc[0]
    assert row["kernels"] == 3
    assert row["busy (%)"] == pytest.approx(12.5)  # 5 of 40


@pytest.mark.parametrize(
    ("name", "uses_them"),
    [
        ("volta_fp16_s884cudnn_fp16_256x128_ldg8_relu_f2f_exp_small_nhwc_tn_v1", True),
        ("void cutlass::Kernel2<cutlass_80_tensorop_bf16_s16816gemm_relu_bf16_128x64>", True),
        ("sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize64x64x64_warpgroupsize1x1x1", True),
        ("sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_nhwckrsc_nhwc_tilesize_tensor16x8x16", True),
        ("volta_sgemm_128x64_nt", False),
        ("volta_scudnn_winograd_128x128_ldg1_ldg4_mobile_relu_tile148t_nt_v0", False),
        ("void f<1688, 16816>(float*)", False),
    ],
)
def test_names_of_kernels_on_tensor_cores(name: str, uses_them: bool) -> None:
    assert names_a_tensor_core(name) is uses_them
