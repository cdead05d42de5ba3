"""The energy that GPUs have used, by the counters of their hardware."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

COUNTER = "the GPU's energy counter"


class Energy(NamedTuple):
    """Joules since the driver was loaded, or why they are not known."""

    joules: float | None
    why_not: str = ""


class EnergyCounters:
    """The counters of some GPUs (`nvmlDeviceGetTotalEnergyConsumption`, in millijoules).

    GPUs from Volta on have one. A MIG instance has none: its GPU's is that of all instances.

    Args:
        uuids: the GPUs, as NVML and CUDA_VISIBLE_DEVICES name them.
    """

    def __init__(self, uuids: Sequence[str]) -> None:
        import pynvml

        self._nvml, self._why_not = pynvml, ""
        self._devices: list[Any] = []
        if any(uuid.startswith("MIG") for uuid in uuids):
            self._why_not = "a MIG instance has no energy counter of its own"
            return
        try:
            pynvml.nvmlInit()
            self._devices = [pynvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids]
        except pynvml.NVMLError as error:
            self._why_not = f"NVML: {error}"

    def read(self) -> Energy:
        """What all of the GPUs have used together."""
        if self._why_not:
            return Energy(None, self._why_not)
        try:
            read = self._nvml.nvmlDeviceGetTotalEnergyConsumption
            return Energy(sum(read(device) for device in self._devices) / 1e3)
        except self._nvml.NVMLError as error:
            return Energy(None, f"NVML: {error}")

    def close(self) -> None:
        """Let NVML go."""
        with suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()
