"""Executes a run: takes a RunSpec, launches the training, and returns a RunRecord."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from detbench.checkout import commit
from detbench.errors import DetbenchError, MissingError, RunFailedError
from detbench.gpus.discovery import Gpu
from detbench.launch.base import Halt, Launcher, OnEvent
from detbench.records import store
from detbench.records.spec import Failure, Outcome, RunRecord, RunSpec, outcome_name
from detbench.running.attach import Attachment
from detbench.running.causes import classify, notes
from detbench.telemetry.energy import with_sampled_energy
from detbench.telemetry.monitor import MONITORING, Monitor

_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "LC_ALL": "C.UTF-8",  # profilers write decimal commas under other locales
}

_TORCHRUN = "torch.distributed.run"
_DLPROF_TRAINING = "/opt/detbench/dlprof_train.py"  # in the image of mode dlprof


def training_command(spec: RunSpec, attachment: Attachment, python: str, folder: Path) -> list[str]:
    """The command line of a run; `folder` is the run's folder as the training sees it."""
    program = [_DLPROF_TRAINING] if spec.mode == "dlprof" else ["-m", "detbench.training"]
    training = [*program, str(folder / store.SPEC), str(folder)]
    if spec.world_size > 1:
        training = ["-m", _TORCHRUN, *_meeting(spec), *training]
    return attachment.command([python, *training], folder)


def _meeting(spec: RunSpec) -> list[str]:
    """The options by which torchrun brings the processes together."""
    options = [f"--nproc-per-node={spec.num_processes}"]
    if spec.nodes.count == 1:
        return ["--standalone", *options]  # torchrun finds a free port
    host, _, port = spec.nodes.rendezvous.rpartition(":")
    return [
        f"--nnodes={spec.nodes.count}",
        f"--node-rank={spec.nodes.rank}",
        f"--master-addr={host}",
        f"--master-port={port}",
        *options,
    ]


def _environment(spec: RunSpec) -> dict[str, str]:
    found = dict(_ENVIRONMENT)
    if spec.num_processes > 1:  # they share the cores; torchrun would give each process one
        found["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // spec.num_processes))
    return found


def execute(
    spec: RunSpec,
    attachment: Attachment,
    launcher: Launcher,
    *,
    root: Path,
    on_event: OnEvent,
    time_limit: float | None = None,
    continues: Path | None = None,
    gpus: tuple[Gpu, ...] = (),
    monitor_every: float = 0.0,
    retries: Path | None = None,
) -> store.Run:
    """Do the run and keep its files.

    The record says how the training ended. A run that was refused before its first iteration
    (for a missing dataset, say) leaves nothing and raises the training process's error.
    `continues` is the folder of an unfinished run of the same spec; this run continues from its
    newest checkpoint and leaves the folder as it is. `retries` is the folder of a failed run that
    this one tries again.

    `on_event` is called with every event of the training, in another thread. After `time_limit`
    seconds the run is ended. `gpus` are the GPUs given to the run; they and the host are sampled
    every `monitor_every` seconds while it runs, or never if that is 0.

    Raises:
        DetbenchError: the run was refused.
    """
    folder = store.begin(root, spec)
    command = training_command(spec, attachment, launcher.python, launcher.seen(folder))
    started = datetime.now(timezone.utc)
    try:
        (folder / store.SPEC).write_text(spec.model_dump_json(indent=2), encoding="utf-8")
        if continues is not None:
            store.inherit(folder, continues)
        # Asked now: after the run the engine may be gone, and nothing may cost what was measured.
        facts = {**launcher.facts(), "detbench_commit": commit()}
        gpu_facts = gpus[0].facts() if gpus else {}
        halt = Halt()
        with _monitored(folder, on_event, gpus, monitor_every, halt) as notice:
            ended_as = launcher.run(
                command,
                log=folder / store.LOG,
                environment=_environment(spec),
                on_event=notice,
                time_limit=time_limit,
                halt=halt,
            )
    except DetbenchError:  # the training never began
        store.discard(folder)
        raise
    except OSError as error:
        store.discard(folder)
        raise MissingError(
            f"{error.filename or folder}: {error.strerror}", "detbench doctor shows what is here"
        ) from error
    outcome = _read_outcome(folder, spec)
    if outcome is None and spec.nodes.rank > 0 and ended_as.code == 0:
        outcome = Outcome()  # the main process is on another machine
    refused = outcome is not None and outcome.failure is not None and outcome.failure.exit_code
    if outcome is not None and refused and not store.has_iterations(folder):
        store.discard(folder)
        raise _refusal(outcome.failure)  # type: ignore[arg-type]
    measurement = attachment.measurement(folder)
    status, cause = classify(ended_as, outcome, folder, measurement, launcher.gpus)
    told = outcome or Outcome()
    speed = told.throughput and with_sampled_energy(
        told.throughput, spec, folder / MONITORING, gpus
    )
    for file in (folder / store.SPEC, *folder.glob(outcome_name("*"))):
        file.unlink(missing_ok=True)  # run.json holds the outcomes
    record = RunRecord(
        spec=spec,
        spec_sha256=spec.digest(),
        status=status,
        cause=cause,
        command=tuple(command),
        exit_code=ended_as.code,
        started=started,
        ended=datetime.now(timezone.utc),
        throughput=speed,
        accuracy=told.accuracy,
        evaluations=told.evaluations,
        time_to_train=told.time_to_train,
        memory=told.memory,
        environment={
            **gpu_facts,
            **told.environment,
            **facts,
            **({"continues": continues.name} if continues else {}),
            **({"retries": retries.name} if retries else {}),
        },
        notes=notes(folder) if status == "ok" else (),
        measurements=store.measurements_in(folder),
    )
    kept = store.keep(folder, record)
    if status == "ok" and measurement:
        store.link_latest(root, kept / measurement)
    return store.Run(kept, record)


@contextmanager
def _monitored(
    folder: Path, on_event: OnEvent, gpus: tuple[Gpu, ...], every: float, halt: Halt
) -> Iterator[OnEvent]:
    if not every:
        yield on_event
        return
    with Monitor(folder / MONITORING, every=every, gpus=gpus, halt=halt) as monitor:
        yield monitor.watching(on_event)


def _read_outcome(folder: Path, spec: RunSpec) -> Outcome | None:
    """The training's own report; if several processes failed, that of the first one."""
    told = [
        Outcome.model_validate_json(path.read_bytes())
        for path in sorted(folder.glob(outcome_name("*")))
    ]
    failed = [o.failure for o in told if o.failure is not None]
    if not failed:
        return told[0] if told else None
    first = min(failed, key=lambda failure: failure.at)
    if spec.world_size > 1:
        message = f"process {first.rank}: {first.message}"
        first = first.model_copy(update={"message": message})
    return Outcome(failure=first)


def _refusal(failure: Failure) -> DetbenchError:
    error = RunFailedError(failure.message, failure.hint)
    error.exit_code = failure.exit_code or error.exit_code
    return error
