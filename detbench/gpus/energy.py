"""The energy that GPUs use, by the counters in their hardware."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from detbench.gpus.discovery import Gpu
from detbench.gpus.nvml import counted_energy

COUNTER = "energy counter"
OF_A_SLICE = "a MIG instance's share of its GPU's energy is not told"


class EnergyCounters:
    """The counters of some GPUs, read together.

    Attributes:
        why_none: why there is no energy, in the driver's words; empty while there is.
    """

    def __init__(self, gpus: Sequence[Gpu], why_none: str = "") -> None:
        self.why_none = why_none
        self._nvml: Any = None
        self._devices: list[Any] = []
        if not gpus:
            self.why_none = why_none or "no GPU"
        elif any(gpu.is_mig for gpu in gpus):
            self.why_none = OF_A_SLICE
        if self.why_none:
            return
        import pynvml

        self._nvml = pynvml
        try:
            pynvml.nvmlInit()
            self._devices = [pynvml.nvmlDeviceGetHandleByUUID(gpu.uuid) for gpu in gpus]
        except pynvml.NVMLError as error:
            self.why_none = f"no {COUNTER}: {error}"

    def joules(self) -> float | None:
        """The energy of all of them together since their driver was loaded; None if not told."""
        if self.why_none:
            return None
        try:
            return sum(counted_energy(self._nvml, device) for device in self._devices)
        except self._nvml.NVMLError as error:
            self.why_none = f"no {COUNTER}: {error}"
            return None

    def close(self) -> None:
        """Shut NVML down."""
        if self._nvml is not None:
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()
