"""What this machine has and lacks, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import shutil
from dataclasses import dataclass
from pathlib import Path

from detbench.datasets import COCO_ROOT
from detbench.datasets.coco import find_splits
from detbench.errors import MissingError
from detbench.gpus import DRIVER_PARAMETERS, Gpu, discover, may_read_counters
from detbench.launch.base import Launcher
from detbench.modes import Attachment, Mode
from detbench.suite import Family

OK, MISSING = "ok", "missing"

_SHM = "/dev/shm"  # noqa: S108 - its size is looked at, nothing is put there
_SHM_BYTES = 1 << 30  # data loader workers pass their batches through it
_PROGRAMS = {
    "nsys": "install nsight-systems-cli, or use the family's image: bash build_image.sh",
    "ncu": "install nsight-compute, or use the family's image: bash build_image.sh",
    "nvprof": "install the CUDA toolkit, 12.x or older, or use the family's image",
    "dlprof": "use an image that has DLProf: NVIDIA's PyTorch images up to 2023",
}
_DISTRIBUTIONS = {"detectron2": ("detectron2", "sal-detectron2"), "torchvision": ("torchvision",)}


@dataclass(frozen=True)
class Lack:
    """One thing that is missing, and how to get it."""

    what: str
    remedy: str


def lacks(
    mode: Mode, attachment: Attachment, launcher: Launcher, gpu: Gpu | None, why_no_gpu: str
) -> list[Lack]:
    """What keeps `mode` from measuring anything where the training runs; empty: nothing does."""
    found = []
    if mode.needs_gpu and gpu is None:
        found.append(
            Lack(
                f"an NVIDIA GPU ({why_no_gpu or 'the run is on the CPU'})",
                "run on a GPU host; modes that work on a CPU: noprofile, torch, memory",
            )
        )
    elif attachment.program and not launcher.has_program(attachment.program):
        found.append(Lack(f"the program {attachment.program}", _PROGRAMS[attachment.program]))
    if mode.name == "nsight" and gpu is not None and not launcher.reads_counters():
        found.append(
            Lack(
                "permission to read GPU performance counters (ERR_NVGPUCTRPERM)",
                "run as root or in a container with --cap-add SYS_ADMIN, or load the driver with "
                "NVreg_RestrictProfilingToAdminUsers=0",
            )
        )
    return found


@dataclass(frozen=True)
class Check:
    """One line of `setup`: a thing, whether it is here, and its version or the remedy.

    Attributes:
        required: whether nothing at all can be trained without it.
    """

    what: str
    state: str
    detail: str
    required: bool = False


def examine(family: Family) -> list[Check]:
    """What this machine has for a family, by looking only."""
    gpus, why_none = discover()
    checks = [
        _package("torch", ("torch",), "pip install torch torchvision", required=True),
        *(
            _package(
                name,
                _DISTRIBUTIONS[name],
                f"bash scripts/install_{name}.sh"
                if name == "detectron2"
                else f"pip install {name}",
                required=name == family.frameworks[0],
            )
            for name in family.frameworks
        ),
    ]
    if gpus:
        checks += [Check("GPU", OK, f"{gpu.name}, driver {gpu.driver}") for gpu in gpus]
    else:
        checks.append(Check("GPU", MISSING, f"{why_none}; runs will be on the CPU"))
    for program, remedy in _PROGRAMS.items():
        found = shutil.which(program)
        checks.append(Check(program, OK if found else MISSING, found or remedy))
    if DRIVER_PARAMETERS.exists():
        state = OK if may_read_counters() else MISSING
        checks.append(Check("GPU counters permission", state, str(DRIVER_PARAMETERS)))
    checks.append(_shared_memory())
    checks.append(_coco())
    return checks


def _package(name: str, distributions: tuple[str, ...], remedy: str, *, required: bool) -> Check:
    for distribution in distributions:
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
        return Check(name, OK, f"{distribution} {version}", required)
    return Check(name, MISSING, remedy, required)


def _shared_memory() -> Check:
    try:
        size = shutil.disk_usage(_SHM).total
    except OSError as error:
        return Check("shared memory", MISSING, f"{_SHM}: {error.strerror}")
    if size < _SHM_BYTES:
        return Check("shared memory", MISSING, f"{size >> 20} MiB; start with --shm-size 8g")
    return Check("shared memory", OK, f"{size >> 20} MiB")


def _coco() -> Check:
    try:
        find_splits(COCO_ROOT)
    except MissingError as error:
        return Check("COCO 2017", MISSING, str(error))
    return Check("COCO 2017", OK, str(COCO_ROOT))
