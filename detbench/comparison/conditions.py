"""What a run was measured on: the work it did, and what it was done with."""

from __future__ import annotations

import json
from collections.abc import Mapping

from detbench.records.spec import RunRecord, Throughput

Facts = Mapping[str, str]

# Of a record's environment: what a comparison may be about, and what repeats must share.
_SURROUNDINGS = (
    "gpu", "gpu_driver", "gpu_is_mig", "cuda", "cudnn", "image_id", "limits", "torch",
    "torchvision", "detectron2", "detectron2_build", "effdet", "timm", "numpy", "python",
    "platform", "cpu", "cpu_count", "torch_threads", "PYTORCH_CUDA_ALLOC_CONF", "detbench_commit",
)  # fmt: skip


def workload(record: RunRecord) -> Facts:
    """What the work was; only runs of the same work have a ratio.

    The dataset is told by its content's hash where that was recorded, the window by the
    iterations that were really measured.
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
        "dataset": str(digest)[:12] if digest else spec.dataset,
        "weights": spec.weights,
        "learning rate": _text(spec.learning_rate),
        "overrides": _text(spec.overrides),
    }


def surroundings(record: RunRecord) -> Facts:
    """With what it was done: the hardware, the versions and the settings that change no result."""
    spec = record.spec
    return {
        "gpu_profile": spec.gpu_profile,
        "num_workers": str(spec.num_workers),
        "machines": str(spec.nodes.count),
        "deterministic": _text(spec.deterministic),
        **{name: _text(record.environment.get(name)) for name in _SURROUNDINGS},
    }


def differences(a: Facts, b: Facts) -> dict[str, tuple[str, str]]:
    """The facts that are not alike, by name; both have the same names."""
    return {name: (value, b[name]) for name, value in a.items() if value != b[name]}


def _measured(speed: Throughput) -> str:
    return f"[{speed.first_iteration}, {speed.first_iteration + speed.num_iterations})"


def _text(value: object) -> str:
    if value in (None, "", {}):
        return "none"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
