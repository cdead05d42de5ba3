"""The detbench command that repeats a run, from its record."""

from __future__ import annotations

import json
import shlex
from typing import Any

from detbench.records.spec import RunRecord

_DEFAULTS = {"precision": "fp32", "seed": 0, "num_processes": 1}


def command(record: RunRecord) -> str:
    """The command line that plans the run's spec, on a machine with the same GPU profile."""
    spec, environment = record.spec, record.environment
    limits = environment.get("limits") or {}
    target = ",".join(f"{name}={percent:.15g}" for name, percent in spec.target.items())
    options: dict[str, Any] = {
        "--mode": spec.mode if _verb(record) == "run" else None,
        "--model": spec.model,
        "--batch-sizes": spec.batch_size,
        "--framework": spec.framework,
        "--device": spec.device,
        "--precision": _unless("precision", spec.precision),
        "--dataset": spec.dataset,
        "--weights": spec.weights,
        "--num-workers": spec.num_workers,
        "--seed": _unless("seed", spec.seed),
        "--target": target or None,
        "--launcher": "docker" if "image_id" in environment else None,
        "--memory-limit": limits.get("memory"),
        "--cpus": limits.get("cpus"),
    }
    if spec.train:
        options |= {
            "--processes": _unless("num_processes", spec.num_processes),
            "--learning-rate": spec.learning_rate,
            "--start": spec.window.start,
            "--count": spec.window.count,
            "--iterations": spec.num_iterations,
            "--evaluate-every": spec.evaluate_every,
            "--checkpoint-every": spec.checkpoint_every,
        }
    if spec.nodes.count > 1:
        options |= {
            "--nodes": spec.nodes.count,
            "--node-rank": spec.nodes.rank,
            "--rendezvous": spec.nodes.rendezvous,
        }
    words = ["detbench", _verb(record), spec.family]
    for name, value in options.items():
        words += [] if value is None else [name, str(value)]
    for key, value in spec.overrides.items():
        words += ["--override", f"{key}={json.dumps(value)}"]  # JSON is valid YAML
    return shlex.join([*words, *(["--deterministic"] if spec.deterministic else [])])


def _verb(record: RunRecord) -> str:
    spec = record.spec
    if not spec.train:
        return "eval"
    if spec.target:
        return "time-to-train"
    return "train" if spec.evaluate else "run"


def _unless(name: str, value: Any) -> Any:
    """The value, or None if it is the option's default."""
    return None if value == _DEFAULTS[name] else value
