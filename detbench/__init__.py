"""Benchmark and profile the training of object detectors.

The names below are the public API; docs/python.md shows them in use. Each is imported on first
use, so that `import detbench` loads nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from detbench.api.checking import gpu_check
    from detbench.api.containers import build_image, clean, open_shell
    from detbench.api.data import download_dataset, verify_dataset
    from detbench.api.files import Recording, read
    from detbench.api.histories import evaluations, throughput, time_to_train
    from detbench.api.kept import compare, load, report, runs, verify
    from detbench.api.machine import doctor, gpu_profiles, gpus_here, setup_checks
    from detbench.api.measuring import measure_throughput, measure_time_to_train
    from detbench.api.memory_tables import memory
    from detbench.api.plots import plot
    from detbench.api.predictions import fit
    from detbench.api.running import commands, evaluate, run, train
    from detbench.api.samples import monitoring
    from detbench.api.suite import families, models, status, switch, switched
    from detbench.api.sweeping import sweep
    from detbench.api.utilization import compute_utilization, core_utilization
    from detbench.errors import (
        BadFileError,
        DetbenchError,
        MissingError,
        RunFailedError,
        UsageError,
    )

__all__ = [
    "BadFileError",
    "DetbenchError",
    "MissingError",
    "Recording",
    "RunFailedError",
    "UsageError",
    "__version__",
    "build_image",
    "clean",
    "commands",
    "compare",
    "compute_utilization",
    "core_utilization",
    "doctor",
    "download_dataset",
    "evaluate",
    "evaluations",
    "families",
    "fit",
    "gpu_check",
    "gpu_profiles",
    "gpus_here",
    "load",
    "measure_throughput",
    "measure_time_to_train",
    "memory",
    "models",
    "monitoring",
    "open_shell",
    "plot",
    "read",
    "report",
    "run",
    "runs",
    "setup_checks",
    "status",
    "sweep",
    "switch",
    "switched",
    "throughput",
    "time_to_train",
    "train",
    "verify",
    "verify_dataset",
]

_HOME = {
    "errors": ("BadFileError", "DetbenchError", "MissingError", "RunFailedError", "UsageError"),
    "api.checking": ("gpu_check",),
    "api.containers": ("build_image", "clean", "open_shell"),
    "api.data": ("download_dataset", "verify_dataset"),
    "api.files": ("Recording", "read"),
    "api.histories": ("evaluations", "throughput", "time_to_train"),
    "api.kept": ("compare", "load", "report", "runs", "verify"),
    "api.machine": ("doctor", "gpu_profiles", "gpus_here", "setup_checks"),
    "api.measuring": ("measure_throughput", "measure_time_to_train"),
    "api.memory_tables": ("memory",),
    "api.plots": ("plot",),
    "api.predictions": ("fit",),
    "api.running": ("commands", "evaluate", "run", "train"),
    "api.samples": ("monitoring",),
    "api.suite": ("families", "models", "status", "switch", "switched"),
    "api.sweeping": ("sweep",),
    "api.utilization": ("compute_utilization", "core_utilization"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    """A name of the public API, imported from its module (PEP 562)."""
    if name not in _MODULE:
        raise AttributeError(f"module 'detbench' has no attribute '{name}'")
    found = getattr(import_module(f"detbench.{_MODULE[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
