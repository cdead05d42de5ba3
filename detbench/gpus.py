"""The GPUs of this machine, through NVML."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from detbench.counters import CHIPS

DRIVER_PARAMETERS = Path("/proc/driver/nvidia/params")
_CAP_SYS_ADMIN = 21  # capabilities(7)


@dataclass(frozen=True)
class Gpu:
    """A GPU, or a MIG instance of one."""

    uuid: str
    name: str
    memory_bytes: int
    compute_capability: tuple[int, int]
    driver: str
    is_mig: bool

    @property
    def chip(self) -> str | None:
        """The chip as Nsight Compute names it, where it is known."""
        return CHIPS.get(self.compute_capability)

    @property
    def profile(self) -> str:
        """The name as a folder: letters, digits, dots and dashes."""
        return re.sub(r"[^A-Za-z0-9.]+", "-", self.name.removeprefix("NVIDIA ")).strip("-")


def discover() -> tuple[list[Gpu], str]:
    """The GPUs and MIG instances here, and NVML's word on why there are none (else empty)."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return [], f"NVML: {error}"
    try:
        gpus = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            gpus.extend(_instances(pynvml.nvmlDeviceGetHandleByIndex(index)))
    except pynvml.NVMLError as error:
        return [], f"NVML: {error}"
    finally:
        pynvml.nvmlShutdown()
    return gpus, "" if gpus else "NVML counts no GPU"


def chosen(given: str = "") -> tuple[Gpu | None, str]:
    """The GPU that a run of one process takes, or None and why there is none."""
    gpus, why_none = several(given)
    return (gpus[0], "") if gpus else (None, why_none)


def several(given: str = "") -> tuple[tuple[Gpu, ...], str]:
    """The GPUs that a run may take, in their order, and why there is none (else empty).

    They are those that `given`, indices or UUIDs, or else `CUDA_VISIBLE_DEVICES` names; where
    neither does, all of them. `none` given is none.
    """
    if given == "none":
        return (), "--gpus none"
    gpus, why_none = discover()
    visible = given if given not in ("", "all") else os.environ.get("CUDA_VISIBLE_DEVICES")
    if not gpus or visible is None:
        return tuple(gpus), why_none
    found = []
    for name in (part.strip() for part in visible.split(",")):
        if (named := _named(gpus, name)) is None:
            break  # as CUDA does: what follows a name that is none does not count
        found.append(named)
    return tuple(found), "" if found else f"'{visible}' names none of the {len(gpus)} GPUs here"


def unknown(names: Iterable[str]) -> str:
    """Which of these indices and UUIDs is of no GPU here, in words; empty where each is of one."""
    gpus, _ = discover()
    strange = [name for name in names if _named(gpus, name) is None]
    return f"the GPU id {strange[0]} names none of the {len(gpus)} GPUs here" if strange else ""


def _named(gpus: Sequence[Gpu], name: str) -> Gpu | None:
    """The GPU of this index or of a UUID that begins so."""
    found = (
        gpu
        for index, gpu in enumerate(gpus)
        if name and (name == str(index) or gpu.uuid.startswith(name))
    )
    return next(found, None)


def _instances(device: object) -> list[Gpu]:
    """The MIG instances of a GPU, or the GPU itself when it is not partitioned."""
    import pynvml

    capability = pynvml.nvmlDeviceGetCudaComputeCapability(device)
    try:
        partitioned = pynvml.nvmlDeviceGetMigMode(device)[0] == pynvml.NVML_DEVICE_MIG_ENABLE
    except pynvml.NVMLError_NotSupported:
        partitioned = False
    parts = [device]
    if partitioned:
        parts = []
        for index in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(device)):
            try:
                parts.append(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(device, index))
            except pynvml.NVMLError_NotFound:
                continue  # indices of instances need not be contiguous
    return [
        Gpu(
            uuid=pynvml.nvmlDeviceGetUUID(part),
            name=pynvml.nvmlDeviceGetName(part),
            memory_bytes=pynvml.nvmlDeviceGetMemoryInfo(part).total,
            compute_capability=(capability[0], capability[1]),
            driver=pynvml.nvmlSystemGetDriverVersion(),
            is_mig=partitioned,
        )
        for part in parts
    ]


def may_read_counters() -> bool:
    """Whether the driver lets this process read performance counters, as far as it tells."""
    try:
        parameters = DRIVER_PARAMETERS.read_text()
    except OSError:
        return True  # not told here: the profiler itself will say so
    return "RmProfilingAdminOnly: 1" not in parameters or _is_administrator()


def _is_administrator() -> bool:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return os.geteuid() == 0
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> _CAP_SYS_ADMIN & 1)
