"""Runs a training in a container of its family's image."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from detbench.launch.base import (
    GRACE_SECONDS,
    Exit,
    Halt,
    OnEvent,
    take_line,
    terminate_as_interrupt,
    wait,
)
from detbench.launch.docker import (
    DATASET,
    PYTHON,
    SCRATCH,
    Limits,
    Wanted,
    engine,
    facts,
    started,
    tag,
)
from detbench.sizes import bytes_of

if TYPE_CHECKING:
    from docker.models.containers import Container


@dataclass(frozen=True)
class ContainerLauncher:
    """Starts a new container for every run, and removes it when the run ends.

    Attributes:
        results: the host's folder for /scratch/measurements in the container.
        datasets: the host's folder for /dataset, read-only; None for none.
        read_only: more files and folders that the training reads, at the same path inside.
        gpus: as `Wanted.gpus`.
        counters: whether it may read GPU performance counters.
        image: another image than the family's; empty for that one.
    """

    family: str
    results: Path
    datasets: Path | None = None
    read_only: tuple[Path, ...] = ()
    gpus: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    counters: bool = False
    python: str = PYTHON
    image: str = ""

    def seen(self, folder: Path) -> Path:
        """The folder under /scratch/measurements."""
        return Path(SCRATCH) / "measurements" / folder.resolve().relative_to(self.results.resolve())

    def at_most(self) -> dict[str, Any]:
        """The container's limits on memory and cores."""
        memory, cpus = self.limits.memory, self.limits.cpus
        return {
            **({"memory": bytes_of(memory)} if memory else {}),
            **({"cpus": cpus} if cpus else {}),
        }

    def has_program(self, name: str) -> bool:
        """Whether the image has the program."""
        with engine() as client, started(client, self._wanted(["which", name])) as container:
            return int(container.wait()["StatusCode"]) == 0

    def reads_counters(self) -> bool:
        """Whether the container gets the capability."""
        return self.counters

    def facts(self) -> dict[str, Any]:
        """The image, the engine and the limits."""
        with engine() as client:
            return {**facts(client, self.image or tag(self.family)), "limits": self.at_most()}

    def run(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        on_event: OnEvent,
        time_limit: float | None,
        halt: Halt | None = None,
    ) -> Exit:
        """Run the command; a signal stops the container.

        Raises:
            MissingError: the engine, the image or a GPU that was requested is missing.
        """
        with (
            engine() as client,
            started(client, self._wanted(command, environment)) as container,
            log.open("wb", buffering=0) as sink,
        ):
            on_event(_started(container))
            output = container.attach(stream=True, logs=True)
            reader = threading.Thread(
                target=_copy_output, args=(output, sink, on_event), daemon=True
            )
            reader.start()
            ended = _wait(container, time_limit, halt)
            reader.join(GRACE_SECONDS)
            return _exit(container, ended, halt.why if halt else "")

    def _wanted(self, command: Sequence[str], environment: Mapping[str, str] = {}) -> Wanted:
        datasets = [(self.datasets, DATASET)] if self.datasets else []
        return Wanted(
            family=self.family,
            image=self.image or tag(self.family),
            command=command,
            gpus=self.gpus,
            writable=((self.results, f"{SCRATCH}/measurements"),),
            read_only=(*datasets, *((path, str(path)) for path in self.read_only)),
            environment=tuple(environment.items()),
            limits=self.limits,
            counters=self.counters,
        )


_End = Literal["itself", "timeout", "interrupt", "halt", "engine"]


def _wait(container: Container, time_limit: float | None, halt: Halt | None) -> _End:
    """Wait for the container's end, or end it at the time limit, on a signal or a halt."""
    import requests
    from docker.errors import DockerException

    ended: _End
    with terminate_as_interrupt():
        try:
            ended = wait(partial(_ended, container), time_limit, halt)
        except KeyboardInterrupt:
            ended = "interrupt"
        except (requests.RequestException, DockerException):
            ended = "engine"
        try:
            if ended in ("timeout", "interrupt", "halt"):
                container.stop(timeout=round(GRACE_SECONDS))
        except (requests.RequestException, DockerException):
            ended = "engine"
    return ended


def _ended(container: Container, within: float) -> bool:
    import requests
    from docker.errors import DockerException

    try:
        container.wait(timeout=within)
    except (requests.RequestException, DockerException) as error:
        # The request ends at the client's own time limit, or because the engine is gone.
        if "timed out" in str(error).lower():
            return False
        raise
    return True


def _started(container: Container) -> dict[str, Any]:
    """The event that reports the container's first process, by its number on this host."""
    container.reload()
    pid = int(container.attrs["State"]["Pid"])
    try:
        # An engine elsewhere, or in another pid namespace, reports other numbers.
        is_here = str(container.id) in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        is_here = False
    why = "" if is_here else "the container's processes cannot be seen from here"
    return {"event": "started", "pid": pid if is_here else None, "why": why}


def _exit(container: Container, ended: _End, why: str) -> Exit:
    import requests
    from docker.errors import DockerException

    try:
        container.reload()
    except (requests.RequestException, DockerException):
        return Exit(-1, "engine", None)
    state = container.attrs["State"]
    return Exit(int(state["ExitCode"]), ended, int(state["OOMKilled"]), why)


def _copy_output(blocks: Iterable[bytes], sink: IO[bytes], on_event: OnEvent) -> None:
    """Copy lines from the engine's output, which comes in blocks as they were written."""
    pending = b""
    try:
        for block in blocks:
            *lines, pending = (pending + block).split(b"\n")
            for line in lines:
                take_line(line + b"\n", sink, on_event)
    finally:  # even if the engine goes away meanwhile
        if pending:
            take_line(pending, sink, on_event)
