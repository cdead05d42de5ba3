"""The energy of a window by power samples, where the GPU has no counter."""

from datetime import datetime, timezone
from pathlib import Path

import pytest

from detbench.gpus.discovery import Gpu
from detbench.records.spec import RunSpec, Throughput
from detbench.telemetry.energy import with_sampled_energy
from tests.unit.test_results import SPEC

BEGAN = 1_800_000_000.0
WHY = "no energy counter: Not Supported"
SPEED = Throughput(
    images_per_second=2.5, images=10, seconds=4, num_iterations=5, first_iteration=0, batch_size=2,
    iteration_seconds_median=0.8, iteration_seconds_p10=0.8, iteration_seconds_p90=0.8,
    data_wait_share=0, began=BEGAN, ended=BEGAN + 4, energy_source=WHY,
)  # fmt: skip
CUDA = SPEC.model_copy(update={"device": "cuda"})


def gpu(uuid: str, *, is_mig: bool = False) -> Gpu:
    return Gpu(uuid, "NVIDIA A100", 1 << 30, (8, 0), "550", is_mig)


def samples(folder: Path, watts: dict[str, dict[float, str]]) -> Path:
    """The power of GPUs at seconds from the window's beginning."""
    lines = ["utc,uuid,power.draw [W]"]
    for uuid, told in watts.items():
        for second, power in told.items():
            moment = datetime.fromtimestamp(BEGAN + second, timezone.utc)
            lines.append(f"{moment.isoformat(timespec='milliseconds')},{uuid},{power}")
    file = folder / "monitoring.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


ALL_THROUGH = {-1.0: "50", 1.0: "150", 3.0: "250", 5.0: "350"}


def test_it_is_the_area_under_the_power_inside_the_window(tmp_path: Path) -> None:
    file = samples(tmp_path, {"A": ALL_THROUGH})
    found = with_sampled_energy(SPEED, CUDA, file, (gpu("A"),))
    # A straight line from 100 W at the window's beginning to 300 W at its end, 4 s later.
    assert found.energy_joules == pytest.approx(800)
    assert found.joules_per_image == pytest.approx(80)
    assert found.energy_source == f"power samples ({WHY})"


def test_it_is_of_the_gpus_that_train_and_of_no_other(tmp_path: Path) -> None:
    file = samples(tmp_path, {"A": ALL_THROUGH, "B": dict.fromkeys(ALL_THROUGH, "10")})
    both = (gpu("A"), gpu("B"))
    assert with_sampled_energy(SPEED, CUDA, file, both).energy_joules == pytest.approx(800)
    two = CUDA.model_copy(update={"num_processes": 2})
    assert with_sampled_energy(SPEED, two, file, both).energy_joules == pytest.approx(840)


@pytest.mark.parametrize(
    "told",
    [
        {-1.0: "50", 1.0: "150", 5.0: "350"},
        {1.0: "150", 3.0: "250", 5.0: "350"},
        {-1.0: "50", 1.0: "150", 3.0: "250"},
        {-1.0: "50", 1.0: "[N/A: GPU is lost]", 3.0: "250", 5.0: "350"},
        {0.0: "[N/A: Not Supported]"},
    ],
)
def test_samples_that_do_not_cover_the_window_tell_nothing(
    tmp_path: Path, told: dict[float, str]
) -> None:
    found = with_sampled_energy(SPEED, CUDA, samples(tmp_path, {"A": told}), (gpu("A"),))
    assert found.energy_joules is None
    assert found.energy_source == f"{WHY}; its samples of power do not cover the window"


COUNTED = SPEED.model_copy(update={"energy_joules": 7.0, "energy_source": "energy counter"})


@pytest.mark.parametrize(
    ("speed", "spec", "gpus"),
    [
        (COUNTED, CUDA, (gpu("A"),)),
        (SPEED, SPEC, (gpu("A"),)),  # trained on the CPU
        (SPEED, CUDA, (gpu("A", is_mig=True),)),
        (SPEED, CUDA, ()),
        (SPEED.model_copy(update={"began": None}), CUDA, (gpu("A"),)),
    ],
)
def test_a_counter_comes_first_and_a_power_of_something_else_is_not_taken(
    tmp_path: Path, speed: Throughput, spec: RunSpec, gpus: tuple[Gpu, ...]
) -> None:
    file = samples(tmp_path, {"A": ALL_THROUGH})
    assert with_sampled_energy(speed, spec, file, gpus) == speed


def test_a_run_without_monitoring_has_no_samples(tmp_path: Path) -> None:
    assert with_sampled_energy(SPEED, CUDA, tmp_path / "none.csv", (gpu("A"),)) == SPEED
