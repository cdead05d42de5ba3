from pathlib import Path

import pytest

from detbench.errors import UsageError
from detbench.gpus import counters
from detbench.gpus.discovery import Gpu
from detbench.records.modes import MODES, resolve_mode
from detbench.records.spec import Window
from detbench.running.attach import Attachment, attach
from tests.needed import program

WINDOW = Window(start=20, count=10)


def on(mode: str, capability: tuple[int, int] | None, *, is_mig: bool = False) -> Attachment:
    gpu = None
    if capability:
        gpu = Gpu("GPU-1", "a GPU", 1 << 30, capability, "535.1", is_mig=is_mig)
    return attach(MODES[mode], gpu, 2, WINDOW)


def test_nvprof_mode_is_nvprof_below_compute_capability_8() -> None:
    found = on("nvprof", (7, 0))
    command = found.command(["python", "train"], Path("/out"))
    assert command[:3] == ["nvprof", "--profile-from-start", "off"]
    assert "/out/nvprof_bs2.nvvp" in command
    assert command[-2:] == ["python", "train"]
    assert "7.0" in found.reason


def test_nvprof_mode_is_nsight_systems_from_8_on_and_says_why() -> None:
    found = on("nvprof", (8, 0))
    assert found.program == "nsys"
    assert "--capture-range=cudaProfilerApi" in found.options
    assert "--capture-range-end=stop" in found.options
    assert found.file == "nsys_bs2.sqlite"
    assert "8.0" in found.reason


def test_counters_go_to_a_file_of_their_own_over_the_window_only() -> None:
    command = on("nsight", (8, 0)).command(["python"], Path("/out"))
    assert command[command.index("--log-file") + 1] == "/out/nsight_bs2.csv"
    assert command[command.index("--profile-from-start") + 1] == "off"
    assert command[command.index("--target-processes") + 1] == "all"


@pytest.mark.parametrize(
    ("capability", "metric", "other"),
    [
        ((8, 0), "sm__inst_executed_pipe_fp16", "fma_type_fp16"),
        ((8, 6), "sm__inst_executed_pipe_fma_type_fp16", "pipe_fp16"),
        ((9, 0), "sm__inst_executed_pipe_fma_type_fp16", "pipe_fp16"),
    ],
)
def test_the_chip_decides_how_fp16_is_counted(
    capability: tuple[int, int], metric: str, other: str
) -> None:
    options = on("nsight", capability).options
    metrics = options[options.index("--metrics") + 1]
    assert counters.CYCLES in metrics
    assert metric in metrics
    assert other not in metrics


def test_clocks_are_left_alone_on_a_mig_instance() -> None:
    assert "--clock-control" in on("nsight", (8, 0), is_mig=True).options
    assert "--clock-control" not in on("nsight", (8, 0)).options


def test_dlprof_takes_the_window_by_its_iterations() -> None:
    options = on("dlprof", (8, 0)).options
    assert "--iter_start=20" in options
    assert "--iter_stop=29" in options


def test_modes_without_a_profiler_run_the_training_as_it_is() -> None:
    for name in ("noprofile", "torch", "memory"):
        assert on(name, None).command(["python"], Path("/out")) == ["python"]


def test_the_one_alias() -> None:
    assert resolve_mode("nvvp").name == "nvprof"


def test_an_unknown_mode_is_told_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no mode 'foo'; known: noprofile, nvprof, nsight"):
        resolve_mode("foo")


@pytest.mark.parametrize("chip", ["gv100", "tu102", "ga100", "ga102", "ad102", "gh100"])
def test_every_metric_wanted_on_a_chip_is_one_that_ncu_has_for_it(chip: str) -> None:
    ncu = program("ncu", "bash scripts/install_profilers.sh ncu (it needs no GPU here)")
    offered = counters.offered(ncu, chip)
    assert {metric.partition(".")[0] for metric in counters.wanted(chip)} <= offered
