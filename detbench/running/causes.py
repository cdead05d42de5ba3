"""Why a run ended: its status and its cause, from what the training left and how it ended."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from detbench.gpus.discovery import unknown
from detbench.launch.base import Exit
from detbench.records import measured, store
from detbench.records.spec import Failure, Outcome, Status

ON_THE_CPU = "partly on the CPU"
"""How the note begins of a training that fits only because operators moved to the CPU."""

_FULL_BYTES = 4096  # free space below one block: the file system is full

# A MIG instance without memory fails in the allocator's own bookkeeping (pytorch#112377); so does
# one that does not exist.
_MIG_OOM_WORDS = "NVML_SUCCESS == r INTERNAL ASSERT FAILED"
_OOM_WORDS = (
    "CUDA out of memory",  # the caching allocator's own
    "CUDA error: out of memory",  # the driver's, outside the allocator
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    _MIG_OOM_WORDS,
)
# cuDNN says so where no workspace fits, and where a convolution is not supported at all.
_NO_ENGINE_WORDS = "unable to find an engine"
_NEARLY_FULL = 0.05  # of the GPU's memory is free
_HOST_OOM_WORDS = ("can't allocate memory", "DefaultCPUAllocator", "Cannot allocate memory")
_SHM_WORDS = ("Bus error", "bus error")
_LOST_WORDS = ("GPU is lost", "fallen off the bus", "uncorrectable ECC error", "device is lost")
# detectron2's retry_if_cuda_oom: the operator is slow, and the training goes on.
_ON_CPU = re.compile(r"Attempting to copy inputs of (?P<what>.{1,200}) to CPU due to CUDA OOM")
# torchrun's report of the process that ended first.
_KILLED = re.compile(r"rank\s*: (?P<rank>\d+) .*\n\s*exitcode\s*: (?P<code>-\d+)")


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
    if ended.by == "halt":
        return "failed", ended.why
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


def notes(folder: Path) -> tuple[str, ...]:
    """What a run that ended well has to be read with, from its log."""
    moved = _ON_CPU.findall(_log_of(folder))
    if not moved:
        return ()
    times = "once" if len(moved) == 1 else f"{len(moved)} times"
    return (f"{ON_THE_CPU}: for lack of GPU memory detectron2 moved an operator there, {times}",)


def _killed_process(folder: Path) -> re.Match[str] | None:
    """The torchrun process that a signal ended first, from torchrun's report."""
    _, root_cause, report = _log_of(folder).partition("Root Cause (first observed failure)")
    return _KILLED.search(report) if root_cause else None


def _failed(failure: Failure, ended: Exit, gpu_ids: Sequence[str]) -> tuple[Status, str]:
    cause = f"{failure.type}: {failure.message.strip().splitlines()[0] if failure.message else ''}"
    text = f"{failure.type} {failure.message}"
    if _MIG_OOM_WORDS in text and (strange := unknown(gpu_ids)):
        return "failed", f"{strange}: {cause}"
    if failure.type == "OutOfMemoryError" or any(words in text for words in _OOM_WORDS):
        return "oom", cause
    if _NO_ENGINE_WORDS in text and failure.free_share is not None:
        if failure.free_share <= _NEARLY_FULL:
            return "oom", f"{cause}; {100 * failure.free_share:.1f} % of the GPU's memory was free"
        return "failed", cause
    if any(words in text for words in _LOST_WORDS):
        return "failed", f"the GPU was lost during the run: {cause}; see dmesg for its Xid"
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
    lines = reversed(_log_of(folder).splitlines())
    last = next((line.strip() for line in lines if line.strip()), "")
    return "failed", f"the process ended with code {ended.code}; its last line: {last or 'none'}"


def _log_of(folder: Path) -> str:
    """All that the run printed; empty if it never began."""
    log = folder / store.LOG
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
