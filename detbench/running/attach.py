"""The profiler command that a mode puts around the training, chosen for its GPU."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detbench.gpus import counters
from detbench.gpus.discovery import Gpu
from detbench.records.modes import Mode
from detbench.records.spec import Window


@dataclass(frozen=True)
class Attachment:
    """A mode made concrete for one GPU.

    Attributes:
        program: the profiler that wraps the training; empty when none does.
        options: its command line up to the training's; `{out}` stands for a path in the run's
            folder.
        file: the measurement it leaves, relative to the run's folder; empty when there is none.
        reason: why this program was chosen, for a mode that has a choice.
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
    """The attachment of `mode` on `gpu`; None stands for a current data-centre GPU."""
    match mode.name:
        case "nvprof":
            # From compute capability 8.0 on nvprof silently measures nothing.
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
    reason = "nvprof is used, as the compute capability {}.{} is below 8.0".format(*capability)
    return Attachment("nvprof", options, file, reason)


def _nsight_systems(batch_size: int, gpu: Gpu | None) -> Attachment:
    stem = f"nsys_bs{batch_size}"
    options = (
        "profile",
        "--trace=cuda,nvtx,cudnn,cublas",
        "--capture-range=cudaProfilerApi",
        "--capture-range-end=stop",  # by default the training ends with the range
        "--cuda-graph-trace=node",  # otherwise the kernels of a CUDA graph are one row
        "--sample=none",
        "--cpuctxsw=none",
        "--export=sqlite",
        "--output={out}/" + stem,
    )
    capability = "not known here" if gpu is None else "{}.{}".format(*gpu.compute_capability)
    reason = (
        f"Nsight Systems is used, as the compute capability is {capability};"
        " nvprof works below 8.0 only"
    )
    return Attachment("nsys", options, f"{stem}.sqlite", reason)


def _nsight_compute(batch_size: int, gpu: Gpu | None) -> Attachment:
    file = f"nsight_bs{batch_size}.csv"
    options = [
        "--csv",
        "--log-file",
        "{out}/" + file,  # a table mixed with the training's own output cannot be parsed safely
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
        options += ["--clock-control", "none"]  # a MIG instance may not lock the GPU's clocks
    return Attachment("ncu", tuple(options), file)


def _metrics(chip: str | None) -> list[str]:
    """The metrics to collect on a chip: of those wanted, the ones that the installed ncu knows.

    ncu goes on without a metric that the chip lacks, and its log does not mention it.
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
