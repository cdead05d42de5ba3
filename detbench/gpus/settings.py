"""How a GPU is set: power limit, clocks and modes, through NVML, for a run's record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

_ON = ("disabled", "enabled")
_COMPUTE_MODES = ("default", "exclusive thread", "prohibited", "exclusive process")


def _max_clock(kind: str) -> Callable[[Any, Any], int]:
    return lambda n, d: int(n.nvmlDeviceGetMaxClockInfo(d, getattr(n, f"NVML_CLOCK_{kind}")))


def _clock(kind: str, which: str) -> Callable[[Any, Any], int]:
    def read(nvml: Any, device: Any) -> int:
        clock = getattr(nvml, f"NVML_CLOCK_{kind}")
        identity = getattr(nvml, f"NVML_CLOCK_ID_APP_CLOCK_{which}")
        return int(nvml.nvmlDeviceGetClock(device, clock, identity))

    return read


_READ: dict[str, Callable[[Any, Any], Any]] = {
    "gpu_power_limit_watts": lambda n, d: n.nvmlDeviceGetEnforcedPowerLimit(d) / 1000,
    "gpu_clock_sm_max_mhz": _max_clock("SM"),
    "gpu_clock_memory_max_mhz": _max_clock("MEM"),
    "gpu_clock_sm_default_mhz": _clock("SM", "DEFAULT"),
    "gpu_clock_memory_default_mhz": _clock("MEM", "DEFAULT"),
    "gpu_clock_sm_application_mhz": _clock("SM", "TARGET"),
    "gpu_clock_memory_application_mhz": _clock("MEM", "TARGET"),
    "gpu_persistence_mode": lambda n, d: _ON[n.nvmlDeviceGetPersistenceMode(d)],
    "gpu_ecc_mode": lambda n, d: _ON[n.nvmlDeviceGetEccMode(d)[0]],
    "gpu_compute_mode": lambda n, d: _COMPUTE_MODES[n.nvmlDeviceGetComputeMode(d)],
}

COMPARED = tuple(name for name in _READ if name != "gpu_persistence_mode")
"""The settings that can change how fast a GPU is once a training runs."""


def settings(uuid: str) -> dict[str, Any]:
    """The settings of a whole GPU, in W and MHz; what cannot be read is left out."""
    import pynvml

    found: dict[str, Any] = {}
    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        try:
            device = pynvml.nvmlDeviceGetHandleByUUID(uuid)
            for name, read in _READ.items():
                with suppress(pynvml.NVMLError, AttributeError, IndexError):
                    found[name] = read(pynvml, device)
        finally:
            pynvml.nvmlShutdown()
    return found
