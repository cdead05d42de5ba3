from pathlib import Path

import pytest

from detbench.errors import UsageError
from detbench.gpus import counters
from detbench.gpus.discovery import Gpu
from detbench.records.modes import MODES, resolve_mode
from detbench.records.spec import Window
from detbench.running.attach import Attachment, Kernels, attach
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
    assert command[command.index("--target-processes") + 1] == "application-only"
    assert command[command.index("--export") + 1] == "/out/nsight_bs2.ncu-rep"


@pytest.mark.parametrize(
    ("capability", "metric", "other"),
    [
        ((8, 0), "sm__inst_executed_pipe_fp16", "fma_type_fp16"),
        ((8, 6), "sm__inst_executed_pipe_fma_type_fp16", "pipe_fp16"),
        ((9, 0), "sm__inst_executed_pipe_fma_type_fp16", "pipe_fp16"),
        ((10, 3), "sm__pipe_tc_cycles_active", "pipe_fp16"),
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


@pytest.mark.parametrize("is_mig", [False, True])
def test_clocks_and_caches_are_left_alone(is_mig: bool) -> None:
    options = on("nsight", (8, 0), is_mig=is_mig).options
    for what in ("--clock-control", "--cache-control"):
        assert options[options.index(what) + 1] == "none"


def test_a_choice_of_kernels_is_ncus() -> None:
    chosen = attach(MODES["nsight"], None, 2, WINDOW, Kernels("gemm|conv", 7)).options
    assert chosen[chosen.index("--kernel-name") + 1] == "regex:gemm|conv"
    assert chosen[chosen.index("--launch-count") + 1] == "7"
    assert not {"--kernel-name", "--launch-count"} & set(on("nsight", (8, 0)).options)


def test_a_roofline_counts_operations_and_bytes() -> None:
    few = attach(MODES["nsight"], None, 2, WINDOW).options
    many = attach(MODES["nsight"], None, 2, WINDOW, Kernels(roofline=True)).options
    at = few.index("--metrics") + 1
    assert set(many[at].split(",")) - set(few[at].split(",")) == set(counters.ROOFLINE)


def test_the_report_is_the_measurement_where_ncu_printed_no_table(tmp_path: Path) -> None:
    found = on("nsight", (9, 0))
    assert found.measurement(tmp_path) == "nsight_bs2.csv"
    (tmp_path / "nsight_bs2.csv").write_text("==PROF== Connected to process 1\n")
    (tmp_path / "nsight_bs2.ncu-rep").write_bytes(b"NVR\x00 and more")
    assert found.measurement(tmp_path) == "nsight_bs2.ncu-rep"
    (tmp_path / "nsight_bs2.csv").write_text('"ID","Kernel Name"\n"0","k"\n')
    assert found.measurement(tmp_path) == "nsight_bs2.csv"


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
    # These came with 2024.1, and the collector asks the installed ncu before it wants them.
    newer = {counters.BESIDE[name][0].partition(".")[0] for name in ("wgmma issue", "hmma cycles")}
    assert {metric.partition(".")[0] for metric in counters.wanted(chip)} - newer <= offered


def test_every_chip_of_a_compute_capability_collects_all_cores() -> None:
    for chip in counters.CHIPS.values():
        wanted = counters.wanted(chip)
        assert len(wanted) == len(set(wanted))
        for core in counters.CORES:
            assert set(wanted) & set(counters.METRICS[core]), (chip, core)
