"""The conditions of a run: the work it did, and the surroundings it did it in."""

from __future__ import annotations

import json
from collections.abc import Mapping

from detbench.gpus.settings import COMPARED
from detbench.records.spec import RunRecord, Throughput

Facts = Mapping[str, str]

# From a record's environment: facts that a comparison may vary and that repeats must share.
_SURROUNDINGS = (
    "gpu", "gpu_driver", "gpu_is_mig", "cuda", "cudnn", "image_id", "limits", "torch",
    "torchvision", "detectron2", "detectron2_build", "effdet", "timm", "numpy", "python",
    "platform", "cpu", "cpu_count", "torch_threads", "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF", "cudnn_benchmark", "tf32_convolutions", "tf32_matmuls",
    "detbench_commit", *COMPARED,
)  # fmt: skip


def workload(record: RunRecord) -> Facts:
    """The work of a run; only runs of the same work have a ratio.

    The dataset is identified by the hash of its content if that was recorded, the window by the
    iterations actually measured.
    """
    spec = record.spec
    digest = record.environment.get("dataset_sha256")
    return {
        "family": spec.family,
        "model": spec.model,
        "framework": spec.framework,
        "batch size": str(spec.batch_size),
        "processes": str(spec.world_size),
        "window": _measured(record.throughput) if record.throughput else str(spec.window),
        "precision": spec.precision,
        "channels last": _text(spec.channels_last),
        "compile": _text(spec.compile),
        "dataset": str(digest)[:12] if digest else spec.dataset,
        # What the training started from in the end: without a network not the zoo's.
        "weights": str(record.environment.get("weights", spec.weights)),
        "learning rate": _text(spec.learning_rate),
        "overrides": _text(spec.overrides),
    }


def surroundings(record: RunRecord) -> Facts:
    """The surroundings of a run: hardware, versions, and settings that do not change the work."""
    spec = record.spec
    return {
        "gpu_profile": spec.gpu_profile,
        "num_workers": str(spec.num_workers),
        "machines": str(spec.nodes.count),
        "deterministic": _text(spec.deterministic),
        **{name: _text(record.environment.get(name)) for name in _SURROUNDINGS},
    }


def differences(a: Facts, b: Facts) -> dict[str, tuple[str, str]]:
    """The facts that differ, by name; both sides have the same names."""
    return {name: (value, b[name]) for name, value in a.items() if value != b[name]}


def _measured(speed: Throughput) -> str:
    return f"[{speed.first_iteration}, {speed.first_iteration + speed.num_iterations})"


def _text(value: object) -> str:
    if value in (None, "", {}):
        return "none"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
