"""Executes a run: takes a RunSpec, launches the training, and returns a RunRecord."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from detbench.checkout import commit
from detbench.errors import DetbenchError, MissingError, RunFailedError
from detbench.gpus.discovery import Gpu, unknown
from detbench.launch.base import Exit, Launcher, OnEvent
from detbench.records import measured, store
from detbench.records.spec import Failure, Outcome, RunRecord, RunSpec, Status, outcome_name
from detbench.running.attach import Attachment
from detbench.telemetry.energy import with_sampled_energy
from detbench.telemetry.monitor import MONITORING, Monitor

_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "LC_ALL": "C.UTF-8",  # profilers write decimal commas under other locales
}

_FULL_BYTES = 4096  # free space below one block: the file system is full

# A MIG instance without memory fails in the allocator's own bookkeeping (pytorch#112377); so does
# one that does not exist.
_MIG_OOM_WORDS = "NVML_SUCCESS == r INTERNAL ASSERT FAILED"
_OOM_WORDS = ("CUDA out of memory", _MIG_OOM_WORDS)
_HOST_OOM_WORDS = ("can't allocate memory", "DefaultCPUAllocator", "Cannot allocate memory")
_SHM_WORDS = ("Bus error", "bus error")


_TORCHRUN = "torch.distributed.run"
# torchrun's report of the process that ended first.
_KILLED = re.compile(r"rank\s*: (?P<rank>\d+) .*\n\s*exitcode\s*: (?P<code>-\d+)")


def training_command(spec: RunSpec, attachment: Attachment, python: str, folder: Path) -> list[str]:
    """The command line of a run; `folder` is the run's folder as the training sees it."""
    training = ["-m", "detbench.training", str(folder / store.SPEC), str(folder)]
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
    (folder / store.SPEC).write_text(spec.model_dump_json(indent=2), encoding="utf-8")
    if continues is not None:
        store.inherit(folder, continues)
    command = training_command(spec, attachment, launcher.python, launcher.seen(folder))
    started = datetime.now(timezone.utc)
    try:
        facts = launcher.facts()  # asked now: after the run the engine may be gone
        with _monitored(folder, on_event, gpus, monitor_every) as notice:
            ended_as = launcher.run(
                command,
                log=folder / store.LOG,
                environment=_environment(spec),
                on_event=notice,
                time_limit=time_limit,
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
    status, cause = classify(ended_as, outcome, folder, attachment.file, launcher.gpus)
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
            **(gpus[0].facts() if gpus else {}),
            **told.environment,
            **facts,
            "detbench_commit": commit(),
            **({"continues": continues.name} if continues else {}),
            **({"retries": retries.name} if retries else {}),
        },
        measurements=store.measurements_in(folder),
    )
    kept = store.keep(folder, record)
    if status == "ok" and attachment.file:
        store.link_latest(root, kept / attachment.file)
    return store.Run(kept, record)


@contextmanager
def _monitored(
    folder: Path, on_event: OnEvent, gpus: tuple[Gpu, ...], every: float
) -> Iterator[OnEvent]:
    if not every:
        yield on_event
        return
    with Monitor(folder / MONITORING, every=every, gpus=gpus) as monitor:
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


def classify(
    ended: Exit,
    outcome: Outcome | None,
    folder: Path,
    measurement: str,
    gpu_ids: Sequence[str] = (),
) -> tuple[Status, str]:
    """The status of a run, and the cause if it is not ok.

    A profiler's exit code is not consulted: profilers end with 0 even if they measured nothing.
    The training's own outcome and the file decide. `gpu_ids` are the GPUs given to the run.
    """
    if ended.by == "timeout":
        return "timeout", "it did not end within its time limit"
    if ended.by == "interrupt":
        return "interrupted", "the user ended it (SIGINT or SIGTERM)"
    if ended.by == "engine":
        return "failed", "Docker's engine went away during the run"
    if ended.code > 0 and (found := _killed_process(folder)):
        # One of several processes was killed; the others only report that they lost it.
        killed = Exit(int(found["code"]), ended.by, ended.oom_kills)
        status, cause = _killed(killed, folder)
        return status, f"process {found['rank']}: {cause}"
    if outcome is None:
        return _killed(ended, folder)
    if outcome.failure is not None:
        return _failed(outcome.failure, ended, gpu_ids)
    if measurement and (why := measured.why_empty(folder / measurement)):
        return "failed", f"the profiler measured nothing: {measurement}: {why}"
    return "ok", ""


def _killed_process(folder: Path) -> re.Match[str] | None:
    """The torchrun process that a signal ended first, from torchrun's report."""
    log = folder / store.LOG
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    _, root_cause, report = text.partition("Root Cause (first observed failure)")
    return _KILLED.search(report) if root_cause else None


def _failed(failure: Failure, ended: Exit, gpu_ids: Sequence[str]) -> tuple[Status, str]:
    cause = f"{failure.type}: {failure.message.strip().splitlines()[0] if failure.message else ''}"
    text = f"{failure.type} {failure.message}"
    if _MIG_OOM_WORDS in text and (strange := unknown(gpu_ids)):
        return "failed", f"{strange}: {cause}"
    if failure.type == "OutOfMemoryError" or any(words in text for words in _OOM_WORDS):
        return "oom", cause
    if failure.type == "MemoryError" or any(words in text for words in _HOST_OOM_WORDS):
        return "host_oom", cause
    if "DataLoader worker" in text and ended.oom_kills:
        return "host_oom", cause
    if any(words in text for words in _SHM_WORDS):
        return "failed", f"{cause}; shared memory ran out: more --shm-size or fewer --num-workers"
    return "failed", cause


def _killed(ended: Exit, folder: Path) -> tuple[Status, str]:
    """The status of a training that left no report: it was killed, or never began."""
    number = -ended.code if ended.code < 0 else ended.code - 128  # a wrapper's way to say it
    if number == signal.SIGKILL:
        if ended.oom_kills:
            return (
                "host_oom",
                "killed by signal 9: out of memory, the system's or the limit's on it",
            )
        if ended.oom_kills is None:
            return "host_oom", "killed by signal 9, most likely for lack of memory"
        return "failed", "killed by signal 9, though not for lack of memory"
    if number in {s.value for s in signal.Signals}:
        return "failed", f"killed by signal {number} ({signal.Signals(number).name})"
    if shutil.disk_usage(folder).free < _FULL_BYTES:
        return "failed", f"No space left on device: the disk of {folder.parent} is full"
    last = _last_line(folder / store.LOG)
    return "failed", f"the process ended with code {ended.code}; its last line: {last or 'none'}"


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
