"""Samples a GPU or MIG instance through NVML, as cells of `monitoring.csv`.

Columns have nvidia-smi's names. A cell that the driver cannot fill holds the driver's reason:
`[N/A: Not Supported]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from detbench.gpus.discovery import Gpu

_MIB = 1 << 20


def not_told(why: object) -> str:
    """The cell of a quantity that is not available; `why` is in the driver's words."""
    return f"[N/A: {str(why).translate({91: 40, 93: 41})}]"  # the cell's own end is a ]


def _throttle_reasons(nvml: Any, device: Any) -> tuple[str, ...]:
    # The old drivers' name, which newer ones keep beside ...EventReasons.
    active = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(device)
    bits = (
        nvml.nvmlClocksThrottleReasonSwPowerCap,
        nvml.nvmlClocksThrottleReasonHwSlowdown,
        nvml.nvmlClocksThrottleReasonSwThermalSlowdown,
        nvml.nvmlClocksThrottleReasonHwThermalSlowdown,
        nvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown,
    )
    return tuple("Active" if active & bit else "Not Active" for bit in bits)


def _ecc(kind: str) -> Callable[[Any, Any], tuple[str, ...]]:
    def read(nvml: Any, device: Any) -> tuple[str, ...]:
        error_type = getattr(nvml, f"NVML_MEMORY_ERROR_TYPE_{kind}")
        return (str(nvml.nvmlDeviceGetTotalEccErrors(device, error_type, nvml.NVML_VOLATILE_ECC)),)

    return read


def _clock(kind: str) -> Callable[[Any, Any], tuple[str, ...]]:
    def read(nvml: Any, device: Any) -> tuple[str, ...]:
        return (str(nvml.nvmlDeviceGetClockInfo(device, getattr(nvml, f"NVML_CLOCK_{kind}"))),)

    return read


def _processes(nvml: Any, device: Any) -> tuple[str, ...]:
    """The number of compute processes, and `pid:MiB` of each; unknown memory is `?`."""
    found = nvml.nvmlDeviceGetComputeRunningProcesses(device)
    memory = ("?" if p.usedGpuMemory is None else f"{p.usedGpuMemory / _MIB:.0f}" for p in found)
    shown = " ".join(f"{p.pid}:{mib}" for p, mib in zip(found, memory, strict=True))
    return str(len(found)), shown


_READ: tuple[tuple[tuple[str, ...], Callable[[Any, Any], tuple[str, ...]]], ...] = (
    (("utilization.gpu [%]",), lambda n, d: (str(n.nvmlDeviceGetUtilizationRates(d).gpu),)),
    (
        ("memory.used [MiB]",),
        lambda n, d: (f"{n.nvmlDeviceGetMemoryInfo(d).used / _MIB:.0f}",),
    ),
    (("power.draw [W]",), lambda n, d: (f"{n.nvmlDeviceGetPowerUsage(d) / 1000:.2f}",)),
    (("clocks.sm [MHz]",), _clock("SM")),
    (("clocks.mem [MHz]",), _clock("MEM")),
    (
        ("temperature.gpu",),
        lambda n, d: (str(n.nvmlDeviceGetTemperature(d, n.NVML_TEMPERATURE_GPU)),),
    ),
    (
        (
            "clocks_throttle_reasons.sw_power_cap",
            "clocks_throttle_reasons.hw_slowdown",
            "clocks_throttle_reasons.sw_thermal_slowdown",
            "clocks_throttle_reasons.hw_thermal_slowdown",
            "clocks_throttle_reasons.hw_power_brake_slowdown",
        ),
        _throttle_reasons,
    ),
    (("ecc.errors.corrected.volatile.total",), _ecc("CORRECTED")),
    (("ecc.errors.uncorrected.volatile.total",), _ecc("UNCORRECTED")),
    (("processes", "processes.memory [MiB]"), _processes),
)

COLUMNS = tuple(name for names, _ in _READ for name in names)


@dataclass(frozen=True)
class _Watched:
    label: str
    uuid: str
    name: str


class GpuSampler:
    """Samples the GPUs of a run through NVML; with a MIG instance, its whole GPU too.

    The instance reports memory and processes; the whole GPU power, clocks and temperature.
    """

    def __init__(self, gpus: Iterable[Gpu]) -> None:
        import pynvml

        self._nvml = pynvml
        watched = {}
        for gpu in gpus:
            if gpu.parent:
                label, name = gpu.label.partition(":")[0], gpu.name.partition(" MIG ")[0]
                watched[gpu.parent] = _Watched(label, gpu.parent, name)
            watched[gpu.uuid] = _Watched(gpu.label, gpu.uuid, gpu.name)
        self._watched = tuple(watched.values())
        self._handles: dict[str, Any] = {}
        self._why_none = ""
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            self._why_none = str(error)

    @property
    def count(self) -> str:
        """The number of watched GPUs and instances, as a cell."""
        return not_told(self._why_none) if self._why_none else str(len(self._watched))

    def sample(self) -> list[dict[str, str]]:
        """One row per GPU or instance."""
        if self._why_none:
            return []
        return [
            {"gpu": w.label, "uuid": w.uuid, "name": w.name, **self._cells(w.uuid)}
            for w in self._watched
        ]

    def close(self) -> None:
        """Shut NVML down."""
        if not self._why_none:
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()

    def _cells(self, uuid: str) -> dict[str, str]:
        try:
            if uuid not in self._handles:
                self._handles[uuid] = self._nvml.nvmlDeviceGetHandleByUUID(uuid)
            device = self._handles[uuid]
        except self._nvml.NVMLError as error:
            return dict.fromkeys(COLUMNS, not_told(error))
        cells: dict[str, str] = {}
        for names, read in _READ:
            try:
                values = read(self._nvml, device)
            except self._nvml.NVMLError as error:
                values = (not_told(error),) * len(names)
            cells.update(zip(names, values, strict=True))
        return cells
