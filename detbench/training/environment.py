"""Describes what a run depends on: versions, devices and settings."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path
from typing import Any

import numpy
import torch
import torchvision

from detbench import __version__
from detbench.gpus import discovery
from detbench.training.protocol import Framework, Job


def describe(job: Job, framework: Framework) -> dict[str, Any]:
    """The environment of a run, for its record."""
    found: dict[str, Any] = {
        "detbench": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": numpy.__version__,
        **framework.versions(),
        "dataset_sha256": job.dataset.digest,
        "cpu": _cpu_name(),
        "cpu_count": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "learning_rate": job.schedule.learning_rate,
        # It decides whether a batch fits, above all on MIG.
        "PYTORCH_CUDA_ALLOC_CONF": os.environ.get("PYTORCH_CUDA_ALLOC_CONF", ""),
    }
    if job.device.type == "cuda":
        gpu, _ = discovery.chosen()
        properties = torch.cuda.get_device_properties(job.device)
        found |= {
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "gpu": properties.name,
            "gpu_driver": gpu.driver if gpu else "",
            "gpu_memory_bytes": properties.total_memory,
            "compute_capability": f"{properties.major}.{properties.minor}",
        }
    return found


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
