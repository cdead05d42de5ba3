"""The settings of a GPU that decide how fast it is: its power limit, clocks, ECC and modes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

_Read = Callable[[Any, Any], Any]


def _clock(function: str, kind: str) -> _Read:
    return lambda n, d: getattr(n, function)(d, getattr(n, f"NVML_CLOCK_{kind}"))


_READ: dict[str, _Read] = {
    "gpu_power_limit_w": lambda n, d: n.nvmlDeviceGetEnforcedPowerLimit(d) / 1e3,
    "gpu_power_limit_default_w": lambda n, d: n.nvmlDeviceGetPowerManagementDefaultLimit(d) / 1e3,
    "gpu_clock_sm_max_mhz": _clock("nvmlDeviceGetMaxClockInfo", "SM"),
    "gpu_clock_memory_max_mhz": _clock("nvmlDeviceGetMaxClockInfo", "MEM"),
    "gpu_clock_sm_application_mhz": _clock("nvmlDeviceGetApplicationsClock", "SM"),
    "gpu_clock_memory_application_mhz": _clock("nvmlDeviceGetApplicationsClock", "MEM"),
    "gpu_ecc": lambda n, d: bool(n.nvmlDeviceGetEccMode(d)[0]),
    "gpu_persistence": lambda n, d: bool(n.nvmlDeviceGetPersistenceMode(d)),
    "gpu_compute_mode": lambda n, d: n.nvmlDeviceGetComputeMode(d),
}
"""By entry of a run's record: watts, MHz, whether it is on, or NVML's number of the mode."""


def settings(uuid: str) -> dict[str, Any]:
    """The settings of a GPU, or of the GPU that a MIG instance is part of.

    What the driver does not tell is left out: these describe a run and must not cost it.
    """
    import pynvml

    found: dict[str, Any] = {}
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return found
    try:
        device = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        for name, read in _READ.items():
            with suppress(pynvml.NVMLError, AttributeError):  # an older driver, or binding
                found[name] = read(pynvml, device)
    except pynvml.NVMLError:
        return found
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
    return found
