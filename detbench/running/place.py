"""Where and under which conditions runs are done; `plan.Request` says what is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from detbench.checkout import checkout
from detbench.errors import MissingError
from detbench.launch.docker import Limits

Door = Literal["local", "docker"]
"""How a training is started: as a process of this machine, or in a container."""


@dataclass(frozen=True)
class Place:
    """Where and how runs are done.

    Attributes:
        results: the folder that keeps the runs; None for `store.default_root()`.
        gpus: indices, or UUIDs of GPUs or MIG instances, with commas; `none` for the CPU, empty
            for those that CUDA_VISIBLE_DEVICES leaves.
        dataset_dir: the folder that is /dataset in a container; None for the checkout's own.
        limits: a process of this machine obeys only the memory limit.
        monitor_every: seconds between samples during a run; 0 for none.
        time_limit: seconds after which a run is ended; None for never.
        resume: whether a successful run of the same spec is reused, and an unfinished one is
            continued.
    """

    results: Path | None = None
    launcher: Door = "local"
    gpus: str = ""
    dataset_dir: Path | None = None
    limits: Limits = field(default_factory=Limits)
    monitor_every: float = 1.0
    time_limit: float | None = None
    resume: bool = False


def host_folder(given: Path | None, name: str) -> Path:
    """The given folder, or the checkout's folder of this name; it is created if missing.

    Raises:
        MissingError: it cannot be made.
    """
    folder = given or (checkout() or Path.cwd()) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MissingError(
            f"{folder} cannot be made: {error.strerror}", f"pass --{name}-dir with another one"
        ) from error
    return folder
