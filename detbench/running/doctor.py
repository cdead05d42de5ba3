"""Checks what this machine has and lacks, and names the command that mends each lack."""

from __future__ import annotations

import importlib.metadata
import logging
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detbench.datasets import datasets_root
from detbench.datasets.coco import find_splits
from detbench.errors import MissingError
from detbench.gpus.discovery import DRIVER_PARAMETERS, Gpu, Unusable, may_read_counters, survey
from detbench.launch.base import Launcher
from detbench.records.measured import COUNTERS_REMEDY
from detbench.records.modes import Mode
from detbench.running.attach import Attachment
from detbench.suite import FRAMEWORKS, Family

_log = logging.getLogger(__name__)

OK, MISSING, UNKNOWN = "ok", "missing", "unknown"

_PROC = Path("/proc")
_SHM = "/dev/shm"  # noqa: S108 - only its size is read, nothing is written there
_DISK_BYTES = 2 << 30  # the traces of a few models take this much
_PATIENCE = 10.0  # seconds for a program to print its version
_VERSION = re.compile(r"\b[vV]?(?:ersion |elease )?(\d+\.\d+(?:\.\d+)*)")
_MEMORY_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_NO_LIMIT = 1 << 60  # version 1 of cgroups writes no limit so
_SHM_BYTES = 1 << 30  # data loader workers pass their batches through it
_HOOK = "nvidia-container-runtime-hook"  # of the NVIDIA Container Toolkit
_CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi")  # the defaults of the CDI specification
_ROOTLESS = (
    "containers have the rights of its user: they read GPU counters only if the driver lets"
    " everyone (NVreg_RestrictProfilingToAdminUsers=0), and memory limits need cgroup v2"
)
# Programs that hold the GPU's counters while they run, so that Nsight Compute gets none.
_COUNTER_HOLDERS = ("nv-hostengine", "dcgm-exporter", "dcgmi")
_GPM_FROM = (9, 0)
_PROGRAMS = {
    "nsys": "install nsight-systems-cli, or use the family's image: bash build_image.sh",
    "ncu": "install nsight-compute, or use the family's image: bash build_image.sh",
    "nvprof": "install the CUDA toolkit, 12.x or older, or use the family's image",
    "dlprof": "DLProf ended with NVIDIA's PyTorch image 21.12: bash build_image.sh --dlprof, then"
    " --launcher docker",
}


@dataclass(frozen=True)
class Lack:
    """A thing that is missing, and how to get it."""

    what: str
    remedy: str


def lacks(
    mode: Mode, attachment: Attachment, launcher: Launcher, gpu: Gpu | None, why_no_gpu: str
) -> list[Lack]:
    """What keeps `mode` from measuring anything where the training runs; empty if it can."""
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
                COUNTERS_REMEDY,
            )
        )
    return found


@dataclass(frozen=True)
class Check:
    """A checked thing: whether it is here, and its version or the remedy.

    Attributes:
        required: whether nothing at all can be trained without it.
    """

    what: str
    state: str
    detail: str
    required: bool = False


def of_family(family: Family) -> list[Check]:
    """The packages that a family trains with."""
    return [
        _package("torch", ("torch",), "pip install torch torchvision", required=True),
        *(
            _package(name, *FRAMEWORKS[name], required=name == family.frameworks[0])
            for name in family.frameworks
        ),
    ]


def of_machine(results: Path) -> list[Check]:
    """Checks of this machine, or of the container this runs in; they change nothing."""
    told = survey()
    checks = [_gpu(each) for each in told.seen]
    if told.why_none:
        checks.append(Check("GPU", MISSING, f"{told.why_none}; runs will be on the CPU"))
    checks += [_program(name, remedy) for name, remedy in _PROGRAMS.items()]
    checks.append(_counters())
    checks.append(_counter_holders([g for g in told.seen if isinstance(g, Gpu)]))
    checks.append(_shared_memory())
    checks.append(_disk(results))
    checks.append(_memory_limit())
    checks.append(_coco())
    return checks


def of_engine() -> list[Check]:
    """Docker's engine, whether it can give a container a GPU, and whether it is rootless."""
    from detbench.launch.docker import engine

    try:
        with engine() as client:
            version, told = client.version()["Version"], client.info()
    except MissingError as error:
        return [Check("Docker engine", MISSING, str(error))]
    return [Check("Docker engine", OK, str(version)), _gpu_access(told), *_rootless(told)]


def _rootless(told: Mapping[str, Any]) -> list[Check]:
    if "name=rootless" in (told.get("SecurityOptions") or ()):
        return [Check("Docker rootless", OK, _ROOTLESS)]
    return []


def _gpu_access(told: Mapping[str, Any]) -> Check:
    """How the engine gives a container a GPU: `docker info` tells, or files of this machine do.

    `--gpus` needs the toolkit's hook, or the engine's support of CDI; not the runtime `nvidia`.
    """
    what = "GPUs in containers"
    if "nvidia" in (told.get("Runtimes") or {}):
        return Check(what, OK, "the runtime nvidia is registered")
    if hook := shutil.which(_HOOK):
        return Check(what, OK, f"{hook} is installed")
    folders = [Path(folder) for folder in told.get("CDISpecDirs") or _CDI_FOLDERS]
    specs = sorted(
        file
        for folder in folders
        for pattern in ("*.yaml", "*.yml", "*.json")
        for file in folder.glob(pattern)
        if "nvidia.com/gpu" in file.read_text(encoding="utf-8", errors="replace")
    )
    if specs:
        return Check(what, OK, f"CDI: {specs[0]}")
    return Check(
        what,
        MISSING,
        "install the NVIDIA Container Toolkit, then: "
        "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
    )


def _gpu(gpu: Gpu | Unusable) -> Check:
    if isinstance(gpu, Unusable):
        return Check(f"GPU {gpu.label}", MISSING, f"{gpu.why}; see detbench gpus")
    capability = ".".join(map(str, gpu.compute_capability))
    mig = ", a MIG instance" if gpu.is_mig else ""
    return Check(
        "GPU", OK, f"{gpu.name}{mig}, compute capability {capability}, driver {gpu.driver}"
    )


def _program(name: str, remedy: str) -> Check:
    path = shutil.which(name)
    if path is None:
        return Check(name, MISSING, remedy)
    _log.info("runs %s --version", path)
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name, UNKNOWN, f"{path}: {error}")
    found = _VERSION.search(done.stdout + done.stderr)
    return Check(name, OK, f"{path}, {found[1]}" if found else path)


def _counters() -> Check:
    what = "GPU counters permission"
    try:
        told = "RmProfilingAdminOnly" in DRIVER_PARAMETERS.read_text()
    except OSError:
        return Check(what, UNKNOWN, f"no {DRIVER_PARAMETERS}: no driver is loaded")
    if not told:
        return Check(what, UNKNOWN, f"{DRIVER_PARAMETERS} does not state it")
    if may_read_counters():
        return Check(what, OK, str(DRIVER_PARAMETERS))
    return Check(what, MISSING, COUNTERS_REMEDY)


def _counter_holders(gpus: Sequence[Gpu]) -> Check:
    """Whether a monitor of the datacenter kind runs beside, which profiling has to stop for.

    From Hopper on it measures by NVML's GPM, and leaves the counters free.
    """
    what = "GPU counters free"
    running = set()
    for file in _PROC.glob("[0-9]*/comm"):
        with suppress(OSError):  # it has just ended
            running.add(file.read_text().strip())
    # The kernel keeps 15 characters of a name.
    holders = [name for name in _COUNTER_HOLDERS if name[:15] in running]
    if holders and gpus and all(gpu.compute_capability >= _GPM_FROM for gpu in gpus):
        return Check(what, OK, f"{', '.join(holders)} runs here, which needs none on this GPU")
    if holders:
        return Check(
            what,
            MISSING,
            f"{', '.join(holders)} runs here and holds them; before mode nsight: "
            "dcgmi profile --pause, or stop it",
        )
    return Check(what, OK, "no DCGM runs here; one in another container cannot be seen")


def _disk(results: Path) -> Check:
    folder = next(p for p in (results.absolute(), *results.absolute().parents) if p.exists())
    free = shutil.disk_usage(folder).free
    state = OK if free >= _DISK_BYTES else MISSING
    remedy = "" if state == OK else "; free some: docker system prune, or pass --results"
    return Check("disk for results", state, f"{free / 2**30:.1f} GiB free in {folder}{remedy}")


def _memory_limit() -> Check:
    """The memory limit that the kernel sets for this process (cgroup v2 or v1)."""
    memory = next((f for f in _MEMORY_LIMITS if f.is_file()), None)
    if memory is None:
        return Check("memory limit", UNKNOWN, "no control group of this process was found")
    said = memory.read_text().strip()
    limited = said.isdecimal() and int(said) < _NO_LIMIT
    return Check("memory limit", OK, f"{int(said) / 2**30:.1f} GiB" if limited else "none")


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
        find_splits(datasets_root())
    except MissingError as error:
        return Check("COCO 2017", MISSING, str(error))
    return Check("COCO 2017", OK, str(datasets_root()))
