"""What several modules ask NVML, in the newest call that binding, driver and GPU have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Call = Callable[[Any, Any], Any]
"""Asks NVML, given as a module, about a device."""


def first_supported(nvml: Any, device: Any, *calls: Call) -> Any:
    """The answer of the first call that is supported here.

    Raises:
        NVMLError: the last call's, or that of a call which failed for another reason.
    """
    # An old library says Invalid Argument to a field that it does not know.
    absent = (
        AttributeError,  # an old binding
        nvml.NVMLError_FunctionNotFound,
        nvml.NVMLError_NotSupported,
        nvml.NVMLError_InvalidArgument,
    )
    for call in calls[:-1]:
        try:
            return call(nvml, device)
        except absent:
            continue
    return calls[-1](nvml, device)


def instant_power(nvml: Any, device: Any) -> float:
    """The power at this moment, in W.

    Raises:
        NVMLError: the driver or the GPU does not have it.
    """
    (field,) = nvml.nvmlDeviceGetFieldValues(device, [nvml.NVML_FI_DEV_POWER_INSTANT])
    if field.nvmlReturn != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(field.nvmlReturn)
    return float(field.value.uiVal / 1000)


def counted_energy(nvml: Any, device: Any) -> float:
    """The energy that a GPU has used since its driver was loaded, in J.

    Raises:
        NVMLError: the GPU has no such counter (before Volta), or is a MIG instance.
    """
    return float(nvml.nvmlDeviceGetTotalEnergyConsumption(device) / 1000)


def used_memory(nvml: Any, device: Any) -> int:
    """The memory in use, in bytes, without what the driver keeps for itself, as nvidia-smi has it.

    Drivers before 510 do not tell the two apart.

    Raises:
        NVMLError: it is not told.
    """
    return int(
        first_supported(
            nvml,
            device,
            lambda n, d: n.nvmlDeviceGetMemoryInfo(d, version=n.nvmlMemory_v2).used,
            lambda n, d: n.nvmlDeviceGetMemoryInfo(d).used,
        )
    )
