"""MFU of a run."""

from datetime import datetime, timezone

import pytest

from detbench.records.spec import RunRecord, Throughput
from detbench.reporting.efficiency import mfu_of
from tests.unit.test_results import SPEC

NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
SPEED = Throughput(
    images_per_second=50.0, images=400, seconds=8, num_iterations=100, first_iteration=5,
    batch_size=4, iteration_seconds_median=0.08, iteration_seconds_p10=0.07,
    iteration_seconds_p90=0.09, data_wait_share=0.1, began=NOON.timestamp(),
    ended=NOON.timestamp() + 8, flops={"float32": 0.99e12, "float64": 0.01e12},
)  # fmt: skip
H100 = {"gpu": "NVIDIA H100 80GB HBM3", "gpu_profile": "H100-80GB"}


def record(speed: Throughput | None = SPEED, precision: str = "fp32", **around: str) -> RunRecord:
    spec = SPEC.model_copy(update={"precision": precision, "mode": "noprofile", "device": "cuda"})
    return RunRecord(
        spec=spec, spec_sha256="", status="ok", command=(), exit_code=0, started=NOON, ended=NOON,
        throughput=speed, environment=around or H100,
    )  # type: ignore[arg-type] # fmt: skip


@pytest.mark.parametrize(
    ("precision", "peak"),
    # NVIDIA's H100 white paper: 66.9 TFLOP/s in FP32, 494.7 in TF32, dense.
    [("fp32", 66.9), ("tf32", 494.7)],
)
def test_mfu_is_a_share_of_the_peak_that_ran(precision: str, peak: float) -> None:
    # 1 TFLOP an image times 50 images/s is 50 TFLOP/s.
    found = mfu_of(record(precision=precision))
    assert found.percent == pytest.approx(100 * 50 / peak)
    assert found.denominator == f"{peak} TFLOP/s, dense {precision} of 1 x H100-80GB"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (record(None), "no window was measured"),
        (record(SPEED.model_copy(update={"flops": {}, "flops_source": "compiled"})), "compiled"),
        (
            record(SPEED.model_copy(update={"flops": {"float32": 3.0, "float16": 7.0}})),
            "70 % of the FLOPs are float16, others not",
        ),
        (record(gpu="", gpu_profile=""), "a CPU has no peak for float32 in fp32"),
        (
            record(gpu="NVIDIA GeForce RTX 4090", gpu_profile="RTX-4090"),
            "no source states the fp32 peak of NVIDIA GeForce RTX 4090",
        ),
    ],
)
def test_where_there_is_no_mfu_it_says_why(changed: RunRecord, why: str) -> None:
    assert mfu_of(changed) == (None, "", why)
