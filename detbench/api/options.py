"""What the functions that train and evaluate may be told, key by key.

Each takes the keys of one of these as keywords. A key that is left out, or None, means the default
of the family's `benchmark.yaml`, or the one that is named here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from detbench.launch.base import OnEvent
from detbench.records.spec import Device, Precision
from detbench.running.place import Door


class PlaceOptions(TypedDict, total=False):
    """Where and how runs are done.

    Attributes:
        results: the folder that keeps them; `results/` in the checkout or here by default.
        launcher: `local`, a process of this machine, by default; or `docker`, a new container of
            the family's image for each run.
        gpus: indices or UUIDs of GPUs and MIG instances, the first for one process; `none` for
            the CPU. By default those that CUDA_VISIBLE_DEVICES leaves.
        dataset_dir: with `docker` the folder that is /dataset in a container, read-only.
        memory_limit: `8g` or `900m`, without swap beyond.
        cpus: how many cores a container may use.
        shm_size: of a container's /dev/shm; `8g` by default.
        monitor_every: seconds between samples of GPU, CPU, memory and disk; 1 by default, 0 for
            none.
        time_limit: seconds after which a run is ended; in mode nsight 1800 by default.
        on_event: called with every event: `run` when a run begins, `progress` and others as the
            training emits them (in another thread), `note` with what is to be known, `ended`.
    """

    results: Path | str | None
    launcher: Door
    gpus: str | int | Sequence[str | int]
    dataset_dir: Path | str | None
    memory_limit: str
    cpus: float | None
    shm_size: str
    monitor_every: float
    time_limit: float | None
    on_event: OnEvent | None


class ModelOptions(TypedDict, total=False):
    """What is run.

    Attributes:
        model: a model or group of the family, or several.
        batch_size: images an iteration, of all processes together; or several, a run each.
        framework: `detectron2`, `torchvision` or `effdet`; by default the first that has the model.
        device: `cuda` if a GPU is there, else `cpu`.
        precision: `fp32` by default, `tf32`, `amp` (fp16) or `bf16`.
        channels_last: whether images and weights are laid out with the channels last.
        compile: whether the backbone goes through torch.compile.
        dataset: `embedded`, `coco`, `voc2007`, `voc2012`, `voc0712`, or a folder in COCO's layout.
        overrides: keys of detectron2's config and their values.
        num_workers: data loader processes.
        seed: 0 by default.
        deterministic: whether operators that may give another result the next time are refused.
    """

    model: str | Sequence[str] | None
    batch_size: int | Sequence[int] | None
    framework: str | None
    device: Device | None
    precision: Precision
    channels_last: bool
    compile: bool
    dataset: str | Path | None
    overrides: Mapping[str, Any]
    num_workers: int | None
    seed: int
    deterministic: bool


class EvaluationOptions(ModelOptions, PlaceOptions, total=False):
    """Of what trains nothing.

    Attributes:
        resume: whether a good run of the same spec is taken for the result, and an unfinished one
            continued.
    """

    resume: bool


class SweepOptions(ModelOptions, PlaceOptions, total=False):
    """Of what fills a matrix.

    Attributes:
        weights: `none` (from scratch), `zoo`, `random` (for speed only), or a file to start from.
    """

    weights: str | Path | None


class ThroughputOptions(EvaluationOptions, total=False):
    """Of what trains a window.

    Attributes:
        weights: `none` (from scratch), `zoo`, `random` (for speed only), or a file to start from.
        learning_rate: the schedule's by default, scaled linearly with the batch size.
        start: the first measured iteration.
        count: how many iterations are measured.
        iterations: where the training ends; with the window by default, `train` with the schedule.
    """

    weights: str | Path | None
    learning_rate: float | None
    start: int | None
    count: int | None
    iterations: int | None


class RunOptions(ThroughputOptions, total=False):
    """Of what trains a window, in one or several processes.

    Attributes:
        processes: on this machine, a GPU each; 1 by default.
        nodes: machines; 1 by default.
        node_rank: this machine's number, from 0 on.
        rendezvous: `HOST:PORT` where the machines meet: machine 0, and a port that is free there.
    """

    processes: int
    nodes: int
    node_rank: int
    rendezvous: str


class ProfileOptions(RunOptions, total=False):
    """Of what trains a window in any mode.

    Attributes:
        kernels: of mode nsight: a regular expression for the names of the kernels to measure.
        launch_count: of mode nsight: the most kernels to measure.
        roofline: of mode nsight: whether operations and memory traffic are counted too.
    """

    kernels: str
    launch_count: int | None
    roofline: bool


class TargetOptions(RunOptions, total=False):
    """Of what trains to a target.

    Attributes:
        evaluate_every: iterations between evaluations; the schedule's by default.
    """

    evaluate_every: int | None


class TrainOptions(TargetOptions, total=False):
    """Of what trains to accuracy.

    Attributes:
        checkpoint_every: iterations between checkpoints; a ninth of the training by default, and
            at most 5000.
    """

    checkpoint_every: int | None


class CommandOptions(TrainOptions, ProfileOptions, total=False):
    """Of what shows commands: those of every function that trains."""
