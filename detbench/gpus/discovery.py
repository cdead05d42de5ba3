"""The GPUs of this machine, through NVML."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detbench.gpus import profiles
from detbench.gpus.counters import CHIPS
from detbench.gpus.profiles import GpuProfile
from detbench.gpus.settings import settings

DRIVER_PARAMETERS = Path("/proc/driver/nvidia/params")
NO_INSTANCE = "MIG is enabled and there is no instance"
_CAP_SYS_ADMIN = 21  # capabilities(7)


@dataclass(frozen=True)
class Gpu:
    """A GPU, or a MIG instance of one.

    Attributes:
        label: what nvidia-smi calls it: `0`, or `0:1` for MIG device 1 of GPU 0.
        number: what `--gpus` calls it: its place among all GPUs and instances here.
        parent: the UUID of the GPU that it is an instance of; empty for a GPU.
    """

    uuid: str
    name: str
    memory_bytes: int
    compute_capability: tuple[int, int]
    driver: str
    is_mig: bool
    label: str = "0"
    number: int = 0
    parent: str = ""

    @property
    def chip(self) -> str | None:
        """Nsight Compute's name of the chip; None if the chip is unknown."""
        return CHIPS.get(self.compute_capability)

    @property
    def profile(self) -> str:
        """Its name in the catalogue, or else its own, in a form that suits a folder."""
        name = self.catalogued.name if self.catalogued else self.name.removeprefix("NVIDIA ")
        return re.sub(r"[^A-Za-z0-9.+]+", "-", name).strip("-")

    @property
    def catalogued(self) -> GpuProfile | None:
        """Its profile in the catalogue, or None."""
        return profiles.find(self.name)

    @property
    def compute_slices(self) -> int | None:
        """The number of compute slices it has; None if it is not in the catalogue."""
        return self.catalogued.compute_slices if self.catalogued else None

    def facts(self) -> dict[str, Any]:
        """Its entries in a run's record, with its settings as they are now."""
        return {
            "gpu": self.name,
            "gpu_uuid": self.uuid,
            "gpu_profile": self.catalogued.name if self.catalogued else "",
            "gpu_is_mig": self.is_mig,
            "gpu_parent": self.parent,
            "gpu_driver": self.driver,
            **settings(self.parent or self.uuid),
        }


@dataclass(frozen=True)
class Unusable:
    """A GPU or MIG instance that cannot be used, and why, in the driver's words."""

    label: str
    why: str
    number: int | None = None
    uuid: str = ""
    name: str = ""


@dataclass(frozen=True)
class Survey:
    """NVML's view of this machine, in its order; `why_none` says why it has no usable GPU."""

    seen: tuple[Gpu | Unusable, ...]
    why_none: str

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """The usable GPUs."""
        return tuple(each for each in self.seen if isinstance(each, Gpu))


def survey() -> Survey:
    """Ask NVML for all GPUs and MIG instances; one that fails does not hide the others."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Survey((), f"NVML: {error}")
    try:
        found: list[Gpu | Unusable] = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            # A lost GPU keeps its number, so that no other GPU takes it.
            number = sum(each.number is not None for each in found)
            try:
                device = pynvml.nvmlDeviceGetHandleByIndex(index)
                found.extend(_instances(device, index, number))
            except pynvml.NVMLError as error:
                found.append(Unusable(str(index), str(error), number))
    except pynvml.NVMLError as error:
        return Survey((), f"NVML: {error}")
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
    words = "; ".join(f"GPU {e.label}: {e.why}" for e in found if isinstance(e, Unusable))
    if any(isinstance(each, Gpu) for each in found):
        words = ""
    elif not found:
        words = "NVML counts no GPU"
    return Survey(tuple(found), words)


def discover() -> tuple[list[Gpu], str]:
    """The GPUs and MIG instances here, and NVML's reason if there are none (else empty)."""
    told = survey()
    return list(told.gpus), told.why_none


def chosen(given: str = "") -> tuple[Gpu | None, str]:
    """The GPU of a run with one process, or None and why there is none."""
    gpus, why_none = several(given)
    return (gpus[0], "") if gpus else (None, why_none)


def several(given: str = "") -> tuple[tuple[Gpu, ...], str]:
    """The GPUs that a run may use, in order, and why there is none (else empty).

    They are those named by `given` (indices or UUIDs), or else by `CUDA_VISIBLE_DEVICES`, or else
    all of them. If `given` is `none`, there are none.
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
            break  # as CUDA does: names after an unknown one do not count
        found.append(named)
    return tuple(found), "" if found else f"'{visible}' names none of the {len(gpus)} GPUs here"


def unknown(names: Iterable[str]) -> str:
    """A sentence about an index or UUID that names no GPU here; empty if all of them do."""
    gpus, _ = discover()
    strange = [name for name in names if _named(gpus, name) is None]
    return f"the GPU id {strange[0]} names none of the {len(gpus)} GPUs here" if strange else ""


def _named(gpus: Sequence[Gpu], name: str) -> Gpu | None:
    """The GPU with this number, or whose UUID begins with this name."""
    found = (g for g in gpus if name and (name == str(g.number) or g.uuid.startswith(name)))
    return next(found, None)


def _instances(device: object, index: int, number: int) -> list[Gpu | Unusable]:
    """The MIG instances of a GPU, or the GPU itself if it is not partitioned.

    Raises:
        NVMLError: the GPU cannot be queried.
    """
    import pynvml

    whole = Gpu(
        uuid=pynvml.nvmlDeviceGetUUID(device),
        name=pynvml.nvmlDeviceGetName(device),
        memory_bytes=pynvml.nvmlDeviceGetMemoryInfo(device).total,
        compute_capability=pynvml.nvmlDeviceGetCudaComputeCapability(device),
        driver=pynvml.nvmlSystemGetDriverVersion(),
        is_mig=False,
        label=str(index),
        number=number,
    )
    try:
        partitioned = pynvml.nvmlDeviceGetMigMode(device)[0] == pynvml.NVML_DEVICE_MIG_ENABLE
    except pynvml.NVMLError_NotSupported:
        partitioned = False
    if not partitioned:
        return [whole]
    found: list[Gpu | Unusable] = []
    for slot in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(device)):
        label = f"{index}:{slot}"
        try:
            part = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(device, slot)
            instance = replace(
                whole,
                uuid=pynvml.nvmlDeviceGetUUID(part),
                name=pynvml.nvmlDeviceGetName(part),
                memory_bytes=pynvml.nvmlDeviceGetMemoryInfo(part).total,
                is_mig=True,
                label=label,
                number=number + len(found),
                parent=whole.uuid,
            )
            found.append(instance)
        except pynvml.NVMLError_NotFound:
            continue  # indices of instances need not be contiguous
        except pynvml.NVMLError as error:
            found.append(Unusable(label, str(error), number + len(found)))
    return found or [Unusable(whole.label, NO_INSTANCE, uuid=whole.uuid, name=whole.name)]


def may_read_counters() -> bool:
    """Whether the driver lets this process read performance counters, as far as is known."""
    try:
        parameters = DRIVER_PARAMETERS.read_text()
    except OSError:
        return True  # unknown here: the profiler itself reports it
    return "RmProfilingAdminOnly: 1" not in parameters or _is_administrator()


def _is_administrator() -> bool:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return os.geteuid() == 0
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> _CAP_SYS_ADMIN & 1)
