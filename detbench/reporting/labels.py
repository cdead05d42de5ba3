"""Names for runs: model, batch size, and any other property in which they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from detbench.readers.timeline import CPU
from detbench.records.spec import RunRecord
from detbench.sizes import size_name

ACCURACIES = (" AP", " mAP", " PQ")
"""The ends of the names of metrics that sum up an accuracy."""

_DIGEST = 19  # characters of sha256:... that tell images apart
_TOLD = ("GPU", "driver", "torch")  # recorded by the training itself, unless it was killed


def facts(record: RunRecord) -> dict[str, str]:
    """All properties that a run's speed is known to depend on, each as a self-contained text.

    Runs with equal facts and equal windows are repeats. Properties that a run or its record lacks
    are left out.
    """
    spec, environment = record.spec, record.environment
    limits = environment.get("limits") or {}
    told = {
        "model": spec.model,
        "batch size": f"bs{spec.batch_size}",
        "GPU profile": spec.gpu_profile,
        "framework": spec.framework,
        "precision": spec.precision,
        "processes": f"{spec.world_size} processes" if spec.world_size > 1 else "",
        "dataset": spec.dataset,
        "weights": f"weights {spec.weights}",
        "overrides": ", ".join(f"{key}={value}" for key, value in spec.overrides.items()),
        "workers": f"{spec.num_workers} workers",
        "deterministic": "deterministic" if spec.deterministic else "",
        "GPU": environment.get("gpu"),
        "driver": _called("driver", environment.get("gpu_driver")),
        "image": _called("image", environment.get("image_id")),
        "torch": _called("torch", environment.get("torch")),
        "memory limit": size_name(limits["memory"]) if "memory" in limits else "",
        "cores": f"{limits['cpus']:g} cores" if "cpus" in limits else "",
    }
    return {name: str(value) for name, value in told.items() if value}


def _called(name: str, value: Any) -> str:
    return f"{name} {str(value)[:_DIGEST]}" if value else ""


def labels(records: Sequence[RunRecord], *, with_mode: bool = True) -> list[str]:
    """A name for each run: model, batch size, and the other properties in which the runs differ.

    Repeats are distinguished by their start. Without modes, windows are left out, too.
    """
    told = [
        facts(r) | ({"mode": r.spec.mode, "window": _window(r)} if with_mode else {})
        for r in records
    ]
    names = _names(told, ("model", "batch size"))
    counted = Counter(names)
    return [
        f"{name} {record.started:%m-%d %H:%M:%S}" if counted[name] > 1 else name
        for name, record in zip(names, records, strict=True)
    ]


def series(records: Sequence[RunRecord]) -> list[str]:
    """A name for each run, without its batch size."""
    told = [facts(r) | {"window": _window(r)} for r in records]
    return _names([{k: v for k, v in t.items() if k != "batch size"} for t in told], ("model",))


def windows(records: Sequence[RunRecord]) -> str:
    """The windows of runs in words; the four most common are spelled out."""
    found = Counter(_window(r) for r in records)
    few = ", ".join(name for name, _ in found.most_common(4))
    more = f" and {len(found) - 4} others" if len(found) > 4 else ""
    return f"iterations {few}{more} of each run, counted from 0"


def device_name(device: str) -> str:
    """The name of a timeline's device in a chart."""
    return "CPU operators" if device == CPU else f"GPU {device}"


def several(number: int, what: str) -> str:
    """`1 run`, `3 runs`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _names(told: Sequence[dict[str, str]], always: Sequence[str]) -> list[str]:
    """The values of `always` and of varying keys; gaps of killed runs do not count as varying."""
    keys = dict.fromkeys(key for each in told for key in each if key not in always)
    varying = [
        key
        for key in keys
        if len({t.get(key) for t in told} - ({None} if key in _TOLD else set())) > 1
    ]
    return [" ".join(t[key] for key in (*always, *varying) if key in t) for t in told]


def _window(record: RunRecord) -> str:
    return str(record.spec.window) if record.spec.train else "no training"
