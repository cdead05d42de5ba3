"""What this machine lacks for a mode, and the command that mends it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from detbench.gpus import Gpu
from detbench.modes import Attachment, Mode

_DRIVER_PARAMETERS = Path("/proc/driver/nvidia/params")
_CAP_SYS_ADMIN = 21  # capabilities(7)

_INSTALL = {
    "nsys": "install nsight-systems-cli, or use the family's image: bash build_image.sh",
    "ncu": "install nsight-compute, or use the family's image: bash build_image.sh",
    "nvprof": "install the CUDA toolkit, 12.x or older, or use the family's image",
    "dlprof": "use an image that has DLProf: NVIDIA's PyTorch images up to 2023",
}


@dataclass(frozen=True)
class Lack:
    """One thing that is missing, and how to get it."""

    what: str
    remedy: str


def lacks(mode: Mode, attachment: Attachment, gpu: Gpu | None, why_no_gpu: str) -> list[Lack]:
    """What keeps `mode` from measuring anything on this machine; empty when nothing does."""
    found = []
    if mode.needs_gpu and gpu is None:
        found.append(
            Lack(
                f"an NVIDIA GPU ({why_no_gpu or 'the run is on the CPU'})",
                "run on a GPU host; modes that work on a CPU: noprofile, torch, memory",
            )
        )
    if attachment.program and shutil.which(attachment.program) is None:
        found.append(
            Lack(f"the program {attachment.program}", _INSTALL[attachment.program])
        )
    if mode.name == "nsight" and gpu is not None and _counters_restricted():
        found.append(
            Lack(
                "permission to read GPU performance counters (ERR_NVGPUCTRPERM)",
                "run as root or in a container with --cap-add SYS_ADMIN, or load the driver with "
                "NVreg_RestrictProfilingToAdminUsers=0",
            )
        )
    return found


def _counters_restricted() -> bool:
    """Whether the driver keeps counters for administrators and this process is none."""
    try:
        parameters = _DRIVER_PARAMETERS.read_text()
    except OSError:
        return False  # not told here: the profiler itself will say so
    return "RmProfilingAdminOnly: 1" in parameters and not _is_administrator()


def _is_administrator() -> bool:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return os.geteuid() == 0
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> _CAP_SYS_ADMIN & 1)
