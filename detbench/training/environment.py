"""Describes what a run depends on: versions, devices and settings."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy
import torch
import torchvision

from detbench import __version__
from detbench.gpus import discovery
from detbench.training.protocol import Framework, Job


def describe(job: Job, framework: Framework) -> dict[str, Any]:
    """The environment of a run, for its record.

    A fact that cannot be found out is left out: none is worth a measurement.
    """
    facts: dict[str, Callable[[], Any]] = {
        "detbench": lambda: __version__,
        "python": platform.python_version,
        "platform": platform.platform,
        "torch": lambda: torch.__version__,
        "torchvision": lambda: torchvision.__version__,
        "numpy": lambda: numpy.__version__,
        "dataset_sha256": lambda: job.dataset.digest,
        "cpu": _cpu_name,
        "cpu_count": os.cpu_count,
        "torch_threads": torch.get_num_threads,
        "learning_rate": lambda: job.schedule.learning_rate,
        # They decide whether a batch fits, above all on MIG; newer torch has the shorter name.
        "PYTORCH_ALLOC_CONF": lambda: os.environ.get("PYTORCH_ALLOC_CONF", ""),
        "PYTORCH_CUDA_ALLOC_CONF": lambda: os.environ.get("PYTORCH_CUDA_ALLOC_CONF", ""),
    }
    if job.device.type == "cuda":
        properties = torch.cuda.get_device_properties(job.device)
        facts |= {
            "cuda": lambda: torch.version.cuda,
            "cudnn": torch.backends.cudnn.version,
            "cudnn_benchmark": lambda: torch.backends.cudnn.benchmark,
            "tf32_convolutions": lambda: torch.backends.cudnn.allow_tf32,
            "tf32_matmuls": lambda: torch.backends.cuda.matmul.allow_tf32,
            "gpu": lambda: properties.name,
            "torch_gpu_uuid": lambda: str(properties.uuid),
            "gpu_driver": _driver,
            "gpu_memory_bytes": lambda: properties.total_memory,
            "compute_capability": lambda: f"{properties.major}.{properties.minor}",
        }
    found = {}
    for name, ask in facts.items():
        with suppress(Exception):  # of any kind: these ask the system, the driver and libraries
            found[name] = ask()
    with suppress(Exception):
        found |= framework.versions()
    return found


def _driver() -> str:
    gpu, _ = discovery.chosen()
    return gpu.driver if gpu else ""


def memory_peaks(device: torch.device) -> dict[str, int]:
    """The highest memory use of this process so far in bytes, if the system counts it."""
    peaks = {"resident peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if device.type == "cuda":
        peaks["allocated peak"] = torch.cuda.max_memory_allocated(device)
        peaks["reserved peak"] = torch.cuda.max_memory_reserved(device)
    return peaks


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), "")
