"""The training process: `python -m detbench.training SPEC OUTPUT`.

Reads a RunSpec, trains, and leaves the mode's measurements in OUTPUT, with an outcome file that
says how it went. It is started by `detbench.launch`, in a process, a container or a Slurm job.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from detbench.errors import DetbenchError, MissingError
from detbench.records.events import emit, mute
from detbench.records.modes import resolve_mode
from detbench.records.spec import Failure, Outcome, RunSpec, outcome_name

if TYPE_CHECKING:
    from detbench.training.protocol import Hook, Job


def main(spec_path: Path, output: Path) -> int:
    """Run the spec; the exit code says whether all of it succeeded."""
    rank = int(os.environ.get("RANK", "0"))
    outcome = Outcome()
    try:
        outcome = _run(RunSpec.model_validate_json(spec_path.read_bytes()), output)
    except DetbenchError as error:
        outcome = Outcome(failure=_refusal(error, rank))
    except ModuleNotFoundError as error:
        lack = MissingError(
            f"training needs the Python package {error.name}, which is not installed",
            "bash scripts/make_venv.sh train, or pip install '.[train]' and "
            "bash scripts/install_detectron2.sh",
        )
        outcome = Outcome(failure=_refusal(lack, rank))
    except (Exception, KeyboardInterrupt) as error:
        print(f"process {rank} of the training failed:", file=sys.stderr)
        traceback.print_exc()
        outcome = Outcome(
            failure=Failure(
                type=type(error).__name__,
                message=_message(error),
                at=time.time(),
                rank=rank,
                free_share=_free_share(),
            )
        )
    if rank == 0 or outcome.failure is not None:
        _write(outcome, output / outcome_name(rank))
    return 0 if outcome.failure is None else 1


def _free_share() -> float | None:
    """The share of the GPU's memory that is free; None without a GPU that answers."""
    torch = sys.modules.get("torch")  # the failure may be its import
    try:
        if torch is None or not torch.cuda.is_initialized():
            return None
        free, total = torch.cuda.mem_get_info()
    except Exception:  # a lost GPU raises more kinds than can be named
        return None
    return float(free / total)


def _message(error: BaseException) -> str:
    """The error's message; for one from a data loader process, the traceback's last line."""
    said = str(error).strip()
    return said.splitlines()[-1] if said.startswith("Caught ") else said


def _refusal(error: DetbenchError, rank: int) -> Failure:
    return Failure(
        type=type(error).__name__,
        message=error.message,
        hint=error.remedy,
        exit_code=error.exit_code,
        at=time.time(),
        rank=rank,
    )


def _run(spec: RunSpec, output: Path) -> Outcome:
    emit("progress", phase="loading torch", done=0, total=0)
    from detbench.datasets import open_dataset, prepare_dataset
    from detbench.suite import load_family
    from detbench.training import distributed
    from detbench.training.checkpoints import clear, iterations_done
    from detbench.training.energy import counters_of
    from detbench.training.environment import describe, memory_peaks
    from detbench.training.evaluations import Evaluations
    from detbench.training.flops import FlopCounter
    from detbench.training.frameworks import load_framework
    from detbench.training.meter import Meter
    from detbench.training.numbers import set_precision
    from detbench.training.pictures import draw_pictures
    from detbench.training.protocol import Job
    from detbench.training.random_weights import ZooUnreachableError, patience, untrained
    from detbench.training.randomness import Reseed, be_deterministic, seed_all
    from detbench.training.skip_features import SkipFeatures

    framework = load_framework(spec.framework)
    model = load_family(spec.family).model(spec.model)
    prepare_dataset(spec.dataset, panoptic=model.panoptic)
    world = distributed.join(spec.device)
    if not world.is_main:
        mute()
    if spec.deterministic:
        be_deterministic()
    seed_all(spec.seed)  # all processes start with the same weights

    set_precision(spec.precision)
    evaluations = Evaluations(spec.target)  # starts the clock
    emit("progress", phase="opening the dataset", done=0, total=0)
    dataset = open_dataset(spec.dataset)
    job = Job.of(spec, dataset, output, world, evaluations)
    if spec.weights == "random":
        job = untrained(job)

    emit("progress", phase="building the model", done=0, total=0)
    hooks: list[Hook] = [Reseed(spec.seed, world.rank)]
    attached: list[Hook] = []
    meter = Meter(
        spec.window,
        spec.num_iterations,
        spec.batch_size,
        job.device,
        output / "iterations.csv",
        iterations_done(output),
        energy=counters_of(job),
    )
    counter = FlopCounter(spec, spec.batch_size // world.size, iterations_done(output))
    if world.is_main:
        attached = _mode_hooks(job)
        # What a profiler does at an iteration's edges is not timed.
        hooks += [*attached, counter, meter]
    weights: dict[str, str] = {}
    try:
        with patience():
            trainer = framework.build(job, hooks)
    except ZooUnreachableError as error:
        if not spec.train or spec.evaluate:
            raise
        weights["weights"] = f"random, as {error.message}"
        emit("note", text=f"{error.message}: random weights, for speed and memory, not accuracy")
        job = untrained(job)
        trainer = framework.build(job, hooks)
    environment = describe(job, framework) | weights
    if spec.train:
        with SkipFeatures() if spec.probe else nullcontext():  # type: ignore[no-untyped-call]
            trainer.train()
    else:
        trainer.evaluate()
    memory = memory_peaks(job.device)
    for hook in attached:
        memory |= hook.finish()
    if world.is_main and evaluations.done:
        draw_pictures(job)
    if world.is_main and spec.save_weights:
        clear(output)
    distributed.leave()
    speed = None if spec.probe else meter.throughput(partial=evaluations.reached)
    return Outcome(
        throughput=speed and counter.added_to(speed),
        accuracy=evaluations.done[-1].accuracy if evaluations.done else None,
        evaluations=tuple(evaluations.done),
        time_to_train=evaluations.time_to_train(spec.batch_size, dataset.num_images),
        memory=memory,
        environment=environment,
    )


def _mode_hooks(job: Job) -> list[Hook]:
    """What the spec's mode attaches to the loop; its command prefix is the launcher's business."""
    from detbench.training import memory_tracker, profilers

    spec, window, device = job.spec, job.spec.window, job.device
    file = job.output / resolve_mode(spec.mode).file.format(bs=spec.batch_size)
    match spec.mode:
        case "torch":
            return [profilers.TorchProfiler(window, file, device)]
        case "memory":
            return [memory_tracker.MemoryTracker(window, file, device)]
        case "nvprof" | "nsight":
            return [profilers.CudaWindow(window)]
        case "dlprof":
            return [profilers.DlprofWindow(), profilers.CudaWindow(window)]
    return []


def _write(outcome: Outcome, path: Path) -> None:
    part = path.with_name(f".part-{path.name}")
    part.write_text(outcome.model_dump_json(indent=2), encoding="utf-8")
    part.rename(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
