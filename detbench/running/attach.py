"""The profiler's command that a mode puts around the training, chosen for the GPU."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detbench.gpus import counters
from detbench.gpus.discovery import Gpu
from detbench.records.measured import why_empty
from detbench.records.modes import Mode
from detbench.records.spec import Window


@dataclass(frozen=True)
class Kernels:
    """The kernels that mode nsight measures.

    Attributes:
        names: a regular expression for their names, as ncu takes it; empty for all.
        count: the most launches; None for all of the window.
        roofline: whether their operations and memory traffic are counted too, in more passes.
    """

    names: str = ""
    count: int | None = None
    roofline: bool = False


EVERY_KERNEL = Kernels()


@dataclass(frozen=True)
class Attachment:
    """A mode, resolved for one GPU.

    Attributes:
        program: the profiler that wraps the training; empty when none does.
        options: its command line up to the training's; `{out}` stands for a path in the run's
            folder.
        file: the measurement it leaves, relative to the run's folder; empty when there is none.
        report: the profiler's own report, the measurement where `file` holds nothing; empty when
            there is none.
        reason: why this program was chosen, for a mode that has a choice.
    """

    program: str = ""
    options: tuple[str, ...] = ()
    file: str = ""
    report: str = ""
    reason: str = ""

    def measurement(self, folder: Path) -> str:
        """The file of the run's folder that holds data; `file` if none does."""
        files = [name for name in (self.file, self.report) if name]
        return next((name for name in files if not why_empty(folder / name)), self.file)

    def command(self, training: Sequence[str], folder: Path) -> list[str]:
        """The whole command that runs `training` under the profiler."""
        if not self.program:
            return list(training)
        out = str(folder)
        return [self.program, *(o.replace("{out}", out) for o in self.options), *training]


def attach(
    mode: Mode,
    gpu: Gpu | None,
    batch_size: int,
    window: Window,
    chosen: Kernels = EVERY_KERNEL,
) -> Attachment:
    """What `mode` puts around a training on `gpu`; None means a current data-centre GPU.

    `chosen` are the kernels that mode nsight measures.
    """
    match mode.name:
        case "nvprof":
            # From compute capability 8.0 on nvprof silently measures nothing.
            if gpu is not None and gpu.compute_capability < (8, 0):
                return _nvprof(batch_size, gpu.compute_capability)
            return _nsight_systems(batch_size, gpu)
        case "nsight":
            return _nsight_compute(batch_size, gpu, chosen)
        case "dlprof":
            return _dlprof(batch_size, window)
    return Attachment(file=mode.file.format(bs=batch_size))


def _nvprof(batch_size: int, capability: tuple[int, int]) -> Attachment:
    file = f"nvprof_bs{batch_size}.nvvp"
    options = ("--profile-from-start", "off", "--export-profile", "{out}/" + file)
    reason = "nvprof is used, as the compute capability {}.{} is below 8.0".format(*capability)
    return Attachment("nvprof", options, file, reason=reason)


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
    return Attachment("nsys", options, f"{stem}.sqlite", reason=reason)


def _nsight_compute(batch_size: int, gpu: Gpu | None, chosen: Kernels) -> Attachment:
    stem = f"nsight_bs{batch_size}"
    file, report = f"{stem}.csv", f"{stem}.ncu-rep"
    options = [
        "--csv",
        "--page",
        "raw",  # with --export a table is printed only if its page is named
        "--log-file",
        "{out}/" + file,  # a table mixed with the training's own output cannot be parsed safely
        "--export",
        "{out}/" + report,  # written as it goes, while the table is printed at the end
        "--print-units",
        "base",
        # Children, such as nvidia-smi and the loader's workers, have made ncu hang.
        "--target-processes",
        "application-only",
        "--profile-from-start",
        "off",
        # By default ncu locks the clocks to their base and flushes the caches before every pass: a
        # benchmark must not change what others see, and a training finds its caches warm.
        "--clock-control",
        "none",
        "--cache-control",
        "none",
        "--metrics",
        ",".join(_metrics(gpu.chip if gpu else None, chosen)),
    ]
    if chosen.names:
        options += ["--kernel-name", f"regex:{chosen.names}"]
    if chosen.count is not None:
        options += ["--launch-count", str(chosen.count)]
    return Attachment("ncu", tuple(options), file, report)


def _metrics(chip: str | None, chosen: Kernels) -> list[str]:
    """The wanted metrics that the installed ncu can collect on a chip.

    ncu goes on without a metric that the chip lacks, and its log does not mention it.
    """
    wanted = [*counters.wanted(chip), *(counters.ROOFLINE if chosen.roofline else ())]
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
