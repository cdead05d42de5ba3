"""The modes: what each attaches to a training, which file it leaves and what it needs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detbench import counters
from detbench.errors import UsageError
from detbench.gpus import Gpu
from detbench.records import Window


@dataclass(frozen=True)
class Mode:
    """One way to run a training.

    Attributes:
        file: the measurement it leaves, relative to the run's folder, `{bs}` being the batch
            size; empty when it leaves none, or when its program decides (see `attach`).
        needs_gpu: whether it measures nothing without an NVIDIA GPU.
    """

    name: str
    summary: str
    file: str = ""
    needs_gpu: bool = False


_MODES = (
    Mode("noprofile", "the training, nothing attached: throughput and accuracy"),
    Mode("nvprof", "GPU timeline for compute utilization", needs_gpu=True),
    Mode("nsight", "Nsight Compute counters for core utilization", needs_gpu=True),
    Mode("memory", "where the memory goes, tensor by tensor", "memory_csv_data/memory_bs{bs}.csv"),
    Mode("torch", "PyTorch profiler (Kineto) trace", "torch_bs{bs}.pt.trace.json.gz"),
    Mode("dlprof", "DLProf reports, in images that have DLProf", needs_gpu=True),
)
MODES = {mode.name: mode for mode in _MODES}
_ALIAS = {"nvvp": "nvprof"}  # the seed suite's EfficientDet page says `profile.sh nvvp`


def resolve_mode(name: str) -> Mode:
    """The mode of this name.

    Raises:
        UsageError: naming the modes there are.
    """
    name = _ALIAS.get(name, name)
    if name not in MODES:
        raise UsageError(f"no mode '{name}'", f"known: {', '.join(MODES)}")
    return MODES[name]


@dataclass(frozen=True)
class Attachment:
    """A mode, made concrete for one GPU.

    Attributes:
        program: the profiler that wraps the training; empty when none does.
        options: its command line up to the training's, with `{out}` where a path in the run's
            folder goes.
        file: the measurement it leaves, relative to the run's folder; empty when there is none.
        reason: why this program, for a mode that has the choice.
    """

    program: str = ""
    options: tuple[str, ...] = ()
    file: str = ""
    reason: str = ""

    def command(self, training: Sequence[str], folder: Path) -> list[str]:
        """The whole command that runs `training` under the profiler."""
        if not self.program:
            return list(training)
        out = str(folder)
        return [self.program, *(o.replace("{out}", out) for o in self.options), *training]


def attach(mode: Mode, gpu: Gpu | None, batch_size: int, window: Window) -> Attachment:
    """What `mode` puts around the training on `gpu` (None: as for a current data-centre GPU)."""
    match mode.name:
        case "nvprof":
            # nvprof measures nothing from compute capability 8.0 on, without saying so.
            if gpu is not None and gpu.compute_capability < (8, 0):
                return _nvprof(batch_size, gpu.compute_capability)
            return _nsight_systems(batch_size, gpu)
        case "nsight":
            return _nsight_compute(batch_size, gpu)
        case "dlprof":
            return _dlprof(batch_size, window)
    return Attachment(file=mode.file.format(bs=batch_size))


def _nvprof(batch_size: int, capability: tuple[int, int]) -> Attachment:
    file = f"nvprof_bs{batch_size}.nvvp"
    options = ("--profile-from-start", "off", "--export-profile", "{out}/" + file)
    reason = f"nvprof, as compute capability {capability[0]}.{capability[1]} is below 8.0"
    return Attachment("nvprof", options, file, reason)


def _nsight_systems(batch_size: int, gpu: Gpu | None) -> Attachment:
    stem = f"nsys_bs{batch_size}"
    options = (
        "profile",
        "--trace=cuda,nvtx,cudnn,cublas",
        "--capture-range=cudaProfilerApi",
        "--capture-range-end=stop",  # the default ends the training with the range
        "--cuda-graph-trace=node",  # kernels of a CUDA graph would be one row otherwise
        "--sample=none",
        "--cpuctxsw=none",
        "--export=sqlite",
        "--output={out}/" + stem,
    )
    capability = "is not known here" if gpu is None else "{}.{}".format(*gpu.compute_capability)
    reason = f"Nsight Systems, as compute capability {capability}; nvprof works below 8.0 only"
    return Attachment("nsys", options, f"{stem}.sqlite", reason)


def _nsight_compute(batch_size: int, gpu: Gpu | None) -> Attachment:
    file = f"nsight_bs{batch_size}.csv"
    options = [
        "--csv",
        "--log-file",
        "{out}/" + file,  # a table among the training's own output could not be parsed safely
        "--print-units",
        "base",
        "--target-processes",
        "all",
        "--profile-from-start",
        "off",
        "--metrics",
        ",".join(_metrics(gpu.chip if gpu else None)),
    ]
    if gpu is not None and gpu.is_mig:
        options += ["--clock-control", "none"]  # an instance may not lock the GPU's clocks
    return Attachment("ncu", tuple(options), file)


def _metrics(chip: str | None) -> list[str]:
    """What to collect on a chip: of the metrics wanted those that the installed ncu knows for it.

    ncu goes on without a metric that the chip lacks, and its log then says nothing of it.
    """
    wanted = counters.wanted(chip)
    ncu = shutil.which("ncu")
    offered = counters.offered(ncu, chip) if ncu and chip else set()
    return [m for m in wanted if m.partition(".")[0] in offered] if offered else wanted


def _dlprof(batch_size: int, window: Window) -> Attachment:
    folder = f"dlprof_bs{batch_size}"
    options = (
        "--mode=pytorch",
        "--reports=all",
        "--formats=csv",
        f"--iter_start={window.start}",
        f"--iter_stop={window.stop - 1}",
        "--output_path={out}/" + folder,
    )
    return Attachment("dlprof", options, folder)
