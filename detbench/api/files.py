"""Reading a file: `read` gives a recording, which the other functions make tables of."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

import pandas as pd

from detbench.errors import BadFileError, UsageError
from detbench.readers import counters_file, timeline, timeline_file
from detbench.readers.identity import Identity, Kind, identify
from detbench.readers.memory_file import read_memory
from detbench.readers.monitoring import read_monitoring
from detbench.readers.training_log import TrainingLog, read_training_log
from detbench.utilization import core
from detbench.utilization.window import devices, window_of

R = TypeVar("R", bound="Recording")

PathLike = str | os.PathLike[str]

OnEvent = Callable[[Mapping[str, Any]], None]
"""What is told how far something is: a dictionary whose `event` says what the others are."""


@dataclass(frozen=True)
class Source:
    """Where a recording comes from.

    Attributes:
        tool: what wrote the file; empty where its content does not tell.
        version: the tool's version, or that of the format; empty where the file does not tell it.
        window: what was recorded: iterations, or a length of time.
    """

    tool: str
    version: str
    window: str


@dataclass(frozen=True)
class Recording:
    """A file that was read.

    Attributes:
        kind: `timeline`, `summary`, `counters`, `training history`, `memory` or `monitoring`.
        path: the file.
        tables: its content by name, with the columns that docs/formats.md lists.
    """

    kind: ClassVar[str]
    path: Path
    tables: dict[str, pd.DataFrame]

    @cached_property
    def source(self) -> Source:
        """The tool that wrote it, its version, and the window."""
        told = Identity("timeline", "")
        with suppress(BadFileError):  # its reader was named, and could make sense of it
            told = identify(self.path)
        return Source(told.tool, told.version, self._window())

    def _window(self) -> str:
        return "not told"


@dataclass(frozen=True)
class Timeline(Recording):
    """What ran where, from when and for how long: tables `activities`, `ranges` and `launches`."""

    kind = "timeline"
    content: timeline.Timeline

    def _window(self) -> str:
        found = devices(self.content)
        if not found:
            return "nothing ran in it"
        window = window_of(self.content, found[0])
        iterations = f"{window.num_iterations} " if window.num_iterations else ""
        return f"{iterations}{window.source}, {window.duration / 1e6:,.4g} ms"


@dataclass(frozen=True)
class Summary(Recording):
    """How long each kernel ran in all, but not when: table `kernels`."""

    kind = "summary"
    content: timeline.KernelSums


@dataclass(frozen=True)
class Counters(Recording):
    """Counters of each launch (table `launches`), or nvprof's levels of use (table `levels`)."""

    kind = "counters"
    content: counters_file.Launches | counters_file.Levels

    def _window(self) -> str:
        rows = f"{len(self.content.table):,}"
        is_launches = isinstance(self.content, counters_file.Launches)
        return f"{rows} profiled kernels" if is_launches else "all profiled kernels"


@dataclass(frozen=True)
class TrainingHistory(Recording):
    """What a training says of itself: tables `reports`, `curves` and `evaluations`."""

    kind = "training history"
    content: TrainingLog

    def _window(self) -> str:
        return _iterations(self.content.reports["iteration"])


@dataclass(frozen=True)
class Memory(Recording):
    """What memory was used for at each phase's peak: table `parts`, sizes in bytes."""

    kind = "memory"

    def _window(self) -> str:
        return _iterations(self.tables["parts"]["iteration"])


@dataclass(frozen=True)
class Monitoring(Recording):
    """Samples of GPUs and of the host: table `samples`."""

    kind = "monitoring"

    def _window(self) -> str:
        seconds = self.tables["samples"]["time (s)"]
        return "not told" if seconds.isna().all() else f"{seconds.max():,.4g} s"


Files = PathLike | Recording | Sequence[PathLike | Recording]
"""What the functions take: a path, a recording, or several of them."""


def read(path: PathLike, kind: Kind | None = None, *, launches: bool = True) -> Recording:
    """Read a file that a profiler, a monitor or a training wrote.

    Args:
        path: the file. Its content decides what it is, not its name.
        kind: what it has to be: `timeline` (a summary is one, too), `counters`, `memory`,
            `monitoring` or `training history`; None takes whatever it is.
        launches: whether to read which call launched what, where a timeline has that. Tables by
            range need it; reading takes longer.

    Raises:
        BadFileError: it is nothing that is known here, not of this kind, or damaged.
        MissingError: a package or program that its format needs is not installed.
    """
    file = Path(path)
    match kind or identify(file).kind:
        case "timeline":
            content = timeline_file.read_timeline(file, launches=launches)
            if isinstance(content, timeline.KernelSums):
                return Summary(file, {"kernels": content.kernels}, content)
            tables = {"activities": content.activities, "ranges": content.ranges}
            if content.launches is not None:
                tables["launches"] = content.launches
            return Timeline(file, tables, content)
        case "counters":
            counted = counters_file.read_counters(file, core.METRICS)
            name = "levels" if isinstance(counted, counters_file.Levels) else "launches"
            return Counters(file, {name: counted.table}, counted)
        case "memory":
            return Memory(file, {"parts": read_memory(file)})
        case "monitoring":
            return Monitoring(file, {"samples": read_monitoring(file)})
        case "training history":
            log = read_training_log(file)
            told = {"reports": log.reports, "curves": log.curves, "evaluations": log.evaluations}
            return TrainingHistory(file, told, log)
    raise UsageError(f"no kind of file is called '{kind}'", f"known: {', '.join(get_args(Kind))}")


def recordings(
    files: Files, recording: type[R] | tuple[type[R], ...], kind: Kind, *, launches: bool = False
) -> list[R]:
    """The recordings among `files`, and those that paths lead to, in their order.

    Raises:
        UsageError: a recording is of another kind, or no file is named.
        BadFileError, MissingError: as `read` does.
    """
    given = [files] if isinstance(files, (str, os.PathLike, Recording)) else list(files)
    if not given:
        raise UsageError("no file was named", "name one or more")
    found: list[R] = []
    for each in given:
        if not isinstance(each, Recording):
            each = read(each, kind, launches=launches)
        elif launches and isinstance(each, Timeline) and each.content.launches is None:
            each = read(each.path, kind, launches=True)  # it may have been read without
        if not isinstance(each, recording):
            raise UsageError(f"{each.path} holds a {each.kind}, not a {kind}", "read another file")
        found.append(each)
    return found


def _iterations(numbers: pd.Series) -> str:
    known = numbers.dropna()
    return f"iterations {known.min()} to {known.max()}" if len(known) else "not told"
