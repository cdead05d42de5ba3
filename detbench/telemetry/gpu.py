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
from detbench.gpus.nvml import counted_energy, first_supported, instant_power, used_memory
from detbench.telemetry import gpm
from detbench.telemetry.cells import not_told

_MIB = 1 << 20


def _power(nvml: Any, device: Any) -> tuple[str, ...]:
    """The power in W, and whether NVML measured it at this moment or in its older way.

    The older call gives the mean of the last second from Ampere on, but for GA100 (nvml.h).
    """
    watts, source = first_supported(
        nvml,
        device,
        lambda n, d: (instant_power(n, d), "instant"),
        lambda n, d: (n.nvmlDeviceGetPowerUsage(d) / 1000, "nvmlDeviceGetPowerUsage"),
    )
    return f"{watts:.2f}", source


def _temperature(nvml: Any, device: Any) -> tuple[str, ...]:
    return (
        str(
            first_supported(
                nvml,
                device,
                lambda n, d: n.nvmlDeviceGetTemperatureV(d, n.NVML_TEMPERATURE_GPU),
                lambda n, d: n.nvmlDeviceGetTemperature(d, n.NVML_TEMPERATURE_GPU),
            )
        ),
    )


def _throttle_reasons(nvml: Any, device: Any) -> tuple[str, ...]:
    active = first_supported(
        nvml,
        device,
        lambda n, d: n.nvmlDeviceGetCurrentClocksEventReasons(d),
        lambda n, d: n.nvmlDeviceGetCurrentClocksThrottleReasons(d),  # its older name
    )
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
        lambda n, d: (f"{used_memory(n, d) / _MIB:.0f}",),
    ),
    (("power.draw [W]", "power.source"), _power),
    (("energy.total [J]",), lambda n, d: (f"{counted_energy(n, d):.3f}",)),
    (("clocks.sm [MHz]",), _clock("SM")),
    (("clocks.mem [MHz]",), _clock("MEM")),
    (("temperature.gpu",), _temperature),
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

COLUMNS = (*(name for names, _ in _READ for name in names), *gpm.COLUMNS)


@dataclass(frozen=True)
class _Watched:
    label: str
    uuid: str
    name: str
    parent: str = ""


class GpuSampler:
    """Samples the GPUs of a run through NVML; with a MIG instance, its whole GPU too.

    The instance reports memory, processes and, from Hopper on, its activity; the whole GPU power,
    energy, clocks and temperature.

    Attributes:
        lost: that a GPU was lost, in words; empty while none is.
    """

    def __init__(self, gpus: Iterable[Gpu]) -> None:
        import pynvml

        self._nvml = pynvml
        watched = {}
        for gpu in gpus:
            if gpu.parent:
                label, name = gpu.label.partition(":")[0], gpu.name.partition(" MIG ")[0]
                watched[gpu.parent] = _Watched(label, gpu.parent, name)
            watched[gpu.uuid] = _Watched(gpu.label, gpu.uuid, gpu.name, gpu.parent)
        self._watched = tuple(watched.values())
        self._handles: dict[str, Any] = {}
        self._gpms: dict[str, gpm.Gpm] = {}
        self._why_none = ""
        self.lost = ""
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
            {"gpu": w.label, "uuid": w.uuid, "name": w.name, **self._cells(w)}
            for w in self._watched
        ]

    def close(self) -> None:
        """Free GPM's samples and shut NVML down."""
        for each in self._gpms.values():
            each.close()
        if not self._why_none:
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()

    def _cells(self, watched: _Watched) -> dict[str, str]:
        try:
            device = self._handle(watched.uuid)
        except self._nvml.NVMLError as error:
            return dict.fromkeys(COLUMNS, self._not_told(watched, error))
        cells: dict[str, str] = {}
        for names, read in _READ:
            try:
                values = read(self._nvml, device)
            except self._nvml.NVMLError as error:
                values = (self._not_told(watched, error),) * len(names)
            cells.update(zip(names, values, strict=True))
        try:
            return cells | self._gpm(watched, device).cells()
        except self._nvml.NVMLError as error:
            return cells | dict.fromkeys(gpm.COLUMNS, not_told(error))

    def _not_told(self, watched: _Watched, error: Exception) -> str:
        gone = (self._nvml.NVMLError_GpuIsLost, self._nvml.NVMLError_ResetRequired)
        if isinstance(error, gone):
            self.lost = f"the GPU was lost during the run: GPU {watched.label}: {error}; see dmesg"
        return not_told(error)

    def _handle(self, uuid: str) -> Any:
        if uuid not in self._handles:
            self._handles[uuid] = self._nvml.nvmlDeviceGetHandleByUUID(uuid)
        return self._handles[uuid]

    def _gpm(self, watched: _Watched, device: Any) -> gpm.Gpm:
        if watched.uuid not in self._gpms:
            of = (self._handle(watched.parent), device) if watched.parent else (device,)
            self._gpms[watched.uuid] = gpm.Gpm(self._nvml, *of)
        return self._gpms[watched.uuid]
