"""Activity of a GPU or MIG instance by NVML's GPM, as cells of `monitoring.csv`.

GPM (GPU Performance Monitoring, from Hopper on) counts in hardware without replay. A figure is of
the interval between two samples, so that the first row has none.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from detbench.telemetry.cells import not_told

_METRICS = {
    "gpm.graphics_util [%]": "GRAPHICS_UTIL",
    "gpm.sm_util [%]": "SM_UTIL",
    "gpm.sm_occupancy [%]": "SM_OCCUPANCY",
    "gpm.any_tensor_util [%]": "ANY_TENSOR_UTIL",
    "gpm.fp64_util [%]": "FP64_UTIL",
    "gpm.fp32_util [%]": "FP32_UTIL",
    "gpm.fp16_util [%]": "FP16_UTIL",
    "gpm.dram_bw_util [%]": "DRAM_BW_UTIL",
    "gpm.pcie_tx [MiB/s]": "PCIE_TX_PER_SEC",
    "gpm.pcie_rx [MiB/s]": "PCIE_RX_PER_SEC",
    "gpm.nvlink_tx [MiB/s]": "NVLINK_TOTAL_TX_PER_SEC",
    "gpm.nvlink_rx [MiB/s]": "NVLINK_TOTAL_RX_PER_SEC",
}
"""Column -> the end of the metric's name in nvml.h."""

COLUMNS = tuple(_METRICS)


class Gpm:
    """GPM of one GPU, or of a MIG instance of it.

    Args:
        nvml: the binding, initialised.
        gpu: the handle of the whole GPU.
        instance: the handle of the MIG instance, if it is one.

    Raises:
        NVMLError: it does not have GPM.
    """

    def __init__(self, nvml: Any, gpu: Any, instance: Any = None) -> None:
        self._nvml, self._gpu = nvml, gpu
        if not nvml.nvmlGpmQueryDeviceSupport(gpu).isSupportedDevice:
            raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
        self._slice = None if instance is None else nvml.nvmlDeviceGetGpuInstanceId(instance)
        self._asked = nvml.c_nvmlGpmMetricsGet_t()
        self._asked.version = nvml.NVML_GPM_METRICS_GET_VERSION
        self._asked.numMetrics = len(_METRICS)
        for metric, name in zip(self._asked.metrics, _METRICS.values(), strict=False):
            metric.metricId = getattr(nvml, f"NVML_GPM_METRIC_{name}")
        self._has_before = False
        self._samples = [nvml.nvmlGpmSampleAlloc()]
        try:
            self._samples.append(nvml.nvmlGpmSampleAlloc())
        except nvml.NVMLError:
            self.close()
            raise

    def cells(self) -> dict[str, str]:
        """The activity since the call before; empty cells the first time.

        Raises:
            NVMLError: no sample can be taken.
        """
        before, now = self._samples
        if self._slice is None:
            self._nvml.nvmlGpmSampleGet(self._gpu, now)
        else:
            self._nvml.nvmlGpmMigSampleGet(self._gpu, self._slice, now)
        self._samples = [now, before]
        if not self._has_before:
            self._has_before = True
            return dict.fromkeys(COLUMNS, "")
        self._asked.sample1, self._asked.sample2 = before, now
        self._nvml.nvmlGpmMetricsGet(self._asked)
        return {
            name: self._cell(name, metric)
            for name, metric in zip(COLUMNS, self._asked.metrics, strict=False)
        }

    def close(self) -> None:
        """Free the samples."""
        for sample in self._samples:
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlGpmSampleFree(sample)

    def _cell(self, name: str, metric: Any) -> str:
        if metric.nvmlReturn != self._nvml.NVML_SUCCESS:
            return not_told(self._nvml.NVMLError(metric.nvmlReturn))
        value = round(metric.value, 2)
        # NaN too: a share of an interval in which the hardware counted nothing.
        if not 0 <= value <= (100 if "%" in name else 1e9):
            return not_told(f"NVML said {value}")
        return f"{value:.2f}"
