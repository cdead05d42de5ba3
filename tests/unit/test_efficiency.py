"""J/image and MFU of a run."""

from datetime import datetime, timezone
from pathlib import Path

import pytest

from detbench.gpus.discovery import Gpu
from detbench.records.spec import RunRecord, Throughput
from detbench.reporting.efficiency import joules_per_image, mfu_of
from detbench.running.sampled_energy import SAMPLES, with_energy
from detbench.telemetry.monitor import COLUMNS
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


def test_joules_per_image() -> None:
    assert joules_per_image(record()) is None
    assert joules_per_image(record(SPEED.model_copy(update={"energy_joules": 1000.0}))) == 2.5


GPU = Gpu("GPU-1", "NVIDIA A10", 24 << 30, (8, 6), "535", is_mig=False)


def samples(path: Path, watts: list[float], every: float = 2.0, first: float = -1.0) -> Path:
    """A monitoring.csv of one GPU, from a second before the window on."""
    lines = [",".join(COLUMNS)]
    for number, value in enumerate(watts):
        moment = datetime.fromtimestamp(SPEED.began + first + number * every, timezone.utc)
        told = {"utc": moment.isoformat(), "uuid": "GPU-1", "power.draw [W]": str(value)}
        lines.append(",".join(told.get(name, "") for name in COLUMNS))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_samples_stand_in_for_a_missing_counter(tmp_path: Path) -> None:
    file = samples(tmp_path / "monitoring.csv", [100, 300, 300, 300, 300, 100])
    # At -1, 1, 3, ... 9 s. From 0 to 1 s power rises from 200 to 300 W: 250 J; then 6 s of 300 W;
    # from 7 to 8 s it falls from 300 to 200 W: 250 J.
    found = with_energy(SPEED, file, [GPU])
    assert found.energy_joules == pytest.approx(250 + 1800 + 250)
    assert found.energy_source == SAMPLES


def test_a_counter_is_not_replaced_and_few_samples_tell_nothing(tmp_path: Path) -> None:
    file = samples(tmp_path / "monitoring.csv", [100, 300, 300, 300, 300, 100])
    counted = SPEED.model_copy(update={"energy_joules": 7.0})
    assert with_energy(counted, file, [GPU]) is counted
    assert with_energy(SPEED, file, []) is SPEED
    assert with_energy(SPEED, tmp_path / "nowhere.csv", [GPU]) is SPEED
    few = samples(tmp_path / "few.csv", [100, 300], every=10)
    assert with_energy(SPEED, few, [GPU]) is SPEED
    late = samples(tmp_path / "late.csv", [300] * 6, every=1, first=1)
    assert with_energy(SPEED, late, [GPU]) is SPEED
