"""The modes: what each measures, which file it leaves and whether it needs a GPU."""

from __future__ import annotations

from dataclasses import dataclass

from detbench.errors import UsageError


@dataclass(frozen=True)
class Mode:
    """One way to run a training.

    Attributes:
        file: the measurement it leaves, relative to the run's folder, `{bs}` being the batch
            size; empty when it leaves none, or when its program decides (see `attach`).
        needs_gpu: whether it measures nothing without an NVIDIA GPU.
        time_limit: seconds after which a run is ended unless another limit is given; None for
            never.
        of_speed: what its images/s have to be read with, or why they mean nothing; empty for a
            plain measurement.
        has_speed: whether its images/s mean anything.
    """

    name: str
    summary: str
    file: str = ""
    needs_gpu: bool = False
    time_limit: float | None = None
    of_speed: str = ""
    has_speed: bool = True


_PROFILED = "under the profiler"
_MODES = (
    Mode("noprofile", "the training, nothing attached: throughput and accuracy"),
    Mode("nvprof", "GPU timeline for compute utilization", needs_gpu=True, of_speed=_PROFILED),
    # Each kernel is replayed: an iteration that takes a tenth of a second alone takes minutes.
    Mode(
        "nsight",
        "Nsight Compute counters for core utilization",
        needs_gpu=True,
        time_limit=1800.0,
        of_speed="n/a: every kernel is replayed several times",
        has_speed=False,
    ),
    Mode(
        "memory",
        "where the memory goes, tensor by tensor",
        "memory_csv_data/memory_bs{bs}.csv",
        of_speed="n/a: the tracker follows every operator",
        has_speed=False,
    ),
    Mode(
        "torch",
        "PyTorch profiler (Kineto) trace",
        "torch_bs{bs}.pt.trace.json.gz",
        of_speed=_PROFILED,
    ),
    Mode(
        "dlprof", "DLProf reports, in images that have DLProf", needs_gpu=True, of_speed=_PROFILED
    ),
)
MODES = {mode.name: mode for mode in _MODES}
_ALIAS = {"nvvp": "nvprof"}  # the seed suite's EfficientDet page says `profile.sh nvvp`


def resolve_mode(name: str) -> Mode:
    """The mode of this name.

    Raises:
        UsageError: there is no such mode; the error names the modes.
    """
    name = _ALIAS.get(name, name)
    if name not in MODES:
        raise UsageError(f"no mode '{name}'", f"known: {', '.join(MODES)}")
    return MODES[name]
