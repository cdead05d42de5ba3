"""Reads measurement files: `read` returns a recording, from which other functions make tables.

What a file does not need is not imported: all readers together take longer than a small file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar, get_args

import pandas as pd

from detbench.errors import BadFileError, UsageError
from detbench.gpus import counters
from detbench.readers.kinds import Kind

if TYPE_CHECKING:
    from detbench.readers import counters_file, timeline
    from detbench.readers.training_log import TrainingLog

R = TypeVar("R", bound="Recording")

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Source:
    """Where a recording comes from.

    Attributes:
        tool: the program that wrote the file; empty if its content does not say.
        version: the version of the tool or of the format; empty if the file does not say.
        window: what was recorded: iterations, or a length of time.
    """

    tool: str
    version: str
    window: str


@dataclass(frozen=True)
class Recording:
    """The content of a file.

    Attributes:
        kind: `timeline`, `summary`, `counters`, `training history`, `memory` or `monitoring`.
        path: the file.
        tables: the content as tables by name; docs/formats.md lists their columns.
    """

    kind: ClassVar[str]
    path: Path
    tables: dict[str, pd.DataFrame]

    @cached_property
    def source(self) -> Source:
        """The tool that wrote the file, its version, and the window."""
        from detbench.readers.identity import identify

        try:
            told = identify(self.path)
        except BadFileError:  # only the caller's `kind` identified it
            return Source("", "", self.window)
        return Source(told.tool, told.version, self.window)

    @cached_property
    def window(self) -> str:
        """What was recorded: iterations, or a length of time; the file is not read for it."""
        return "unknown"


@dataclass(frozen=True)
class Timeline(Recording):
    """What ran on each device, when and for how long: tables `activities`, `ranges`, `launches`."""

    kind = "timeline"
    content: timeline.Timeline

    @cached_property
    def window(self) -> str:
        """As in `Recording`."""
        from detbench.utilization.window import devices, window_of

        found = devices(self.content)
        if not found:
            return "nothing ran"
        first = window_of(self.content, found[0])
        iterations = f"{first.num_iterations} " if first.num_iterations else ""
        return f"{iterations}{first.source}, {first.duration / 1e6:,.4g} ms"


@dataclass(frozen=True)
class Summary(Recording):
    """The total time of each kernel, without start times: table `kernels`."""

    kind = "summary"
    content: timeline.KernelSums


@dataclass(frozen=True)
class Counters(Recording):
    """Counters per kernel launch (table `launches`), or nvprof's levels of use (table `levels`)."""

    kind = "counters"
    content: counters_file.Launches | counters_file.Levels

    @cached_property
    def window(self) -> str:
        """As in `Recording`."""
        from detbench.readers.counters_file import Launches

        if not isinstance(self.content, Launches):
            return "all profiled kernels"
        return f"{len(self.content.table):,} profiled kernels"


@dataclass(frozen=True)
class TrainingHistory(Recording):
    """A training's own log: tables `reports`, `curves` and `evaluations`."""

    kind = "training history"
    content: TrainingLog

    @cached_property
    def window(self) -> str:
        """As in `Recording`."""
        return _iterations(self.content.reports["iteration"])


@dataclass(frozen=True)
class Memory(Recording):
    """Memory use at the peak of each phase: table `parts`, sizes in bytes.

    A snapshot of PyTorch's CUDA allocator also has the tables `allocator` and `events`.
    """

    kind = "memory"

    @cached_property
    def window(self) -> str:
        """As in `Recording`."""
        return _iterations(self.tables["parts"]["iteration"])


@dataclass(frozen=True)
class Monitoring(Recording):
    """Samples of the GPUs and the host: table `samples`."""

    kind = "monitoring"

    @cached_property
    def window(self) -> str:
        """As in `Recording`."""
        seconds = self.tables["samples"]["time (s)"]
        return "unknown" if seconds.isna().all() else f"{seconds.max():,.4g} s"


# What a file of a kind holds, and which script reads it.
_HOLDS: dict[Kind, tuple[str, str]] = {
    "timeline": ("a timeline", "compute_util.py"),
    "counters": ("counters of kernels", "core_util.py"),
    "memory": ("memory use", "memory_util.py"),
    "monitoring": ("a monitor's samples", "monitor_util.py"),
    "training history": ("a training's log", "throughput.py"),
}

Files = PathLike | Recording | Sequence[PathLike | Recording]
"""The input of the functions: a path, a recording, or several of them."""


def read(
    path: PathLike,
    kind: Kind | None = None,
    *,
    launches: bool = True,
    columns: Sequence[str] | None = None,
) -> Recording:
    """Read a file that a profiler, a monitor or a training wrote.

    Args:
        path: the file; it is recognized by its content, not by its name.
        kind: the expected kind: `timeline` (summaries included), `counters`, `memory`,
            `monitoring` or `training history`; None accepts any.
        launches: whether to read which call launched which kernel, if a timeline records it.
            Tables by range need it; reading takes longer.
        columns: the names of the columns of a monitor's samples without a header, as the query
            of nvidia-smi named them.

    Raises:
        BadFileError: the format is unknown, the file is of another kind, or it is damaged.
        MissingError: a package or program that the format needs is not installed.
    """
    file = Path(path)
    try:
        return _read(file, kind, launches, columns)
    except BadFileError as error:
        raise _told(file, kind, error) from error


def _told(file: Path, kind: Kind | None, error: BadFileError) -> BadFileError:
    """The refusal that says what a file is, if it is something else than `kind`; or `error`."""
    from detbench.readers.identity import ForeignFileError, identify

    if kind is None:
        return error
    try:
        found = identify(file)
    except ForeignFileError as foreign:
        return foreign
    except BadFileError:
        return error
    if found.kind == kind or found.is_guess:
        return error
    held, script = _HOLDS[found.kind]
    problem = f"a file of {found.tool}: it holds {held}, not {_HOLDS[kind][0]}"
    return BadFileError(file, problem, f"{script} reads it")


def _read(
    file: Path, kind: Kind | None, launches: bool, columns: Sequence[str] | None
) -> Recording:
    if kind is None and not columns:
        from detbench.readers.identity import identify

        kind = identify(file).kind
    match kind or "monitoring":
        case "timeline":
            from detbench.readers.timeline import KernelSums
            from detbench.readers.timeline_file import read_timeline

            content = read_timeline(file, launches=launches)
            if isinstance(content, KernelSums):
                return Summary(file, {"kernels": content.kernels}, content)
            tables = {"activities": content.activities, "ranges": content.ranges}
            if content.launches is not None:
                tables["launches"] = content.launches
            return Timeline(file, tables, content)
        case "counters":
            from detbench.readers.counters_file import Levels, read_counters

            counted = read_counters(file, (*counters.ALL, *counters.ROOFLINE))
            name = "levels" if isinstance(counted, Levels) else "launches"
            return Counters(file, {name: counted.table}, counted)
        case "memory":
            from detbench.readers.memory_file import read_memory_tables

            return Memory(file, read_memory_tables(file))
        case "monitoring":
            from detbench.readers.monitoring import read_monitoring

            return Monitoring(file, {"samples": read_monitoring(file, columns)})
        case "training history":
            from detbench.readers.training_log import read_training_log

            log = read_training_log(file)
            told = {"reports": log.reports, "curves": log.curves, "evaluations": log.evaluations}
            return TrainingHistory(file, told, log)
    raise UsageError(f"no kind of file '{kind}'", f"known: {', '.join(get_args(Kind))}")


def recordings(
    files: Files, recording: type[R] | tuple[type[R], ...], kind: Kind, *, launches: bool = False
) -> list[R]:
    """The recordings in `files`, in their order; paths are read first.

    Raises:
        UsageError: a recording is of another kind, or `files` is empty.
        BadFileError, MissingError: as in `read`.
    """
    given = [files] if isinstance(files, (str, os.PathLike, Recording)) else list(files)
    if not given:
        raise UsageError("no file was given", "pass one or more")
    found: list[R] = []
    for each in given:
        if not isinstance(each, Recording):
            each = read(each, kind, launches=launches)
        elif launches and isinstance(each, Timeline) and each.content.launches is None:
            each = read(each.path, kind, launches=True)  # may have been read without them
        if not isinstance(each, recording):
            raise UsageError(
                f"{each.path} is of kind '{each.kind}', not '{kind}'", "pass another file"
            )
        found.append(each)
    return found


def _iterations(numbers: pd.Series) -> str:
    known = numbers.dropna()
    return f"iterations {known.min()} to {known.max()}" if len(known) else "unknown"
