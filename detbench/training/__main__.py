"""The training process: `python -m detbench.training SPEC OUTPUT`.

Reads a RunSpec, trains, and leaves in OUTPUT what the mode measures and `outcome.json`, which
says how it went. It is started by `detbench.launch`, in a process, a container or a Slurm job.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from detbench.errors import DetbenchError, MissingError
from detbench.events import emit
from detbench.modes import resolve_mode
from detbench.records import OUTCOME, Failure, Outcome, RunSpec

if TYPE_CHECKING:
    from detbench.training.protocol import Hook, Job


def main(spec_path: Path, output: Path) -> int:
    """Run the spec; the exit code says whether all of it was done."""
    outcome = Outcome()
    try:
        outcome = _run(RunSpec.model_validate_json(spec_path.read_bytes()), output)
    except DetbenchError as error:
        outcome = Outcome(failure=_refusal(error))
    except ModuleNotFoundError as error:
        lack = MissingError(
            f"training needs the Python package {error.name}, which is not installed",
            "bash scripts/make_venv.sh train, or pip install '.[train]' and "
            "bash scripts/install_detectron2.sh",
        )
        outcome = Outcome(failure=_refusal(lack))
    except (Exception, KeyboardInterrupt) as error:
        traceback.print_exc()
        outcome = Outcome(failure=Failure(type=type(error).__name__, message=str(error)))
    _write(outcome, output)
    return 0 if outcome.failure is None else 1


def _refusal(error: DetbenchError) -> Failure:
    return Failure(
        type=type(error).__name__, message=error.message, hint=error.hint, exit_code=error.exit_code
    )


def _run(spec: RunSpec, output: Path) -> Outcome:
    emit("progress", phase="loading torch", done=0, total=0)
    from detbench.datasets import open_dataset
    from detbench.suite import load_family
    from detbench.training.environment import describe, memory_peaks
    from detbench.training.frameworks import load_framework
    from detbench.training.meter import Meter
    from detbench.training.protocol import Job

    framework = load_framework(spec.framework)
    emit("progress", phase="opening the dataset", done=0, total=0)
    model = load_family(spec.family).model(spec.model)
    schedule = model.schedule.scaled(spec.batch_size)
    if spec.learning_rate is not None:
        schedule = schedule.model_copy(update={"learning_rate": spec.learning_rate})
    job = Job(spec, model, schedule, open_dataset(spec.dataset), output)

    emit("progress", phase="building the model", done=0, total=0)
    meter = Meter(spec.window, spec.num_iterations, spec.batch_size, job.device)
    attached = _mode_hooks(job)
    hooks: list[Hook] = [meter, *attached]
    trainer = framework.build(job, hooks)
    environment = describe(job, framework)
    trainer.train()
    meter.write(output / "iterations.csv")
    memory = memory_peaks(job.device)
    for hook in attached:
        memory |= hook.finish()
    accuracy = None
    if spec.evaluate:
        accuracy = trainer.evaluate()
    return Outcome(
        throughput=meter.throughput(), accuracy=accuracy, memory=memory, environment=environment
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


def _write(outcome: Outcome, output: Path) -> None:
    part = output / f".part-{OUTCOME}"
    part.write_text(outcome.model_dump_json(indent=2), encoding="utf-8")
    part.rename(output / OUTCOME)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
