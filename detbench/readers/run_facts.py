"""The files beside a training's log: detbench's `run.json`, detectron2's `config.yaml`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class RunFacts(NamedTuple):
    """Images per iteration and the training set, and the file that names them.

    Attributes:
        joules_per_image: over the run's own window; None if the file does not have it.
    """

    batch_size: int | None
    dataset: str | None
    source: str
    joules_per_image: float | None = None


def read_run_facts(log: Path) -> RunFacts:
    """The facts of the run that wrote `log`; all empty if no such file is beside it.

    A file of the same name from another program is ignored, not an error.
    """
    for name, load, places in _FILES:
        try:
            document = load((log.parent / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        for size_at, dataset_at in places:
            size, dataset = _at(document, size_at), _at(document, dataset_at)
            if isinstance(size, int) and size > 0:
                names = dataset if isinstance(dataset, list) else [dataset]
                told = ", ".join(name for name in names if isinstance(name, str))
                return RunFacts(size, told or None, name, _energy_per_image(document))
    return RunFacts(None, None, "")


def _of_yaml(text: str) -> Any:
    import yaml  # most logs have no such file beside them

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from error


_FILES: tuple[tuple[str, Callable[[str], Any], tuple[tuple[str, str], ...]], ...] = (
    ("run.json", json.loads, (("spec.batch_size", "spec.dataset"),)),
    (
        "config.yaml",
        _of_yaml,
        (
            ("SOLVER.IMS_PER_BATCH", "DATASETS.TRAIN"),
            ("dataloader.train.total_batch_size", "dataloader.train.dataset.names"),  # lazy configs
        ),
    ),
)


def _energy_per_image(document: Any) -> float | None:
    joules, images = _at(document, "throughput.energy_joules"), _at(document, "throughput.images")
    numbers = isinstance(joules, float) and isinstance(images, int) and images > 0
    return joules / images if numbers else None


def _at(document: Any, keys: str) -> Any:
    for key in keys.split("."):
        document = document.get(key) if isinstance(document, dict) else None
    return document
