"""Docker's engine through its SDK: connects, creates containers, and explains its errors."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detbench.errors import DetbenchError, MissingError

if TYPE_CHECKING:
    from docker.models.containers import Container

    from docker import DockerClient

LABEL = "detbench.family"
"""The label with the family of an image; its containers inherit it."""
OWNER = "detbench.owner"
"""The label with the pid of the process that waits for a container; it marks our containers."""
COUNTERS_NOTE = "the container may read GPU counters: CAP_SYS_ADMIN is added"
"""The note shown before a container with `Wanted.counters` is created."""

PYTHON = "/opt/venv/bin/python"
DATASET, SCRATCH, SCRIPTS = "/dataset", "/scratch", "/scripts"
_STACK_BYTES = 64 << 20
_log = logging.getLogger(__name__)


def tag(family: str) -> str:
    """The name of a family's image."""
    return f"detbench/{family}"


@dataclass(frozen=True)
class Limits:
    """The limits of a container.

    Attributes:
        memory: in Docker's notation, `8g`; empty for no limit. Swap does not extend it.
        cpus: the number of cores; None for all.
        shm_size: the size of /dev/shm, through which data loader workers pass their batches.
    """

    memory: str = ""
    cpus: float | None = None
    shm_size: str = "8g"


@dataclass(frozen=True)
class Wanted:
    """A container to create.

    Attributes:
        gpus: indices or UUIDs of GPUs and MIG instances; `("all",)` for all of them.
        writable, read_only: the host's folders, each with its path in the container.
        counters: whether it may read GPU performance counters, which takes CAP_SYS_ADMIN.
        interactive: whether a terminal is attached to it.
    """

    family: str
    image: str
    command: Sequence[str]
    gpus: tuple[str, ...] = ()
    writable: tuple[tuple[Path, str], ...] = ()
    read_only: tuple[tuple[Path, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    limits: Limits = Limits()
    counters: bool = False
    interactive: bool = False
    reads_stdin: bool = False


@contextmanager
def engine() -> Iterator[DockerClient]:
    """Connect to this machine's engine; its errors within the block become detbench's.

    Raises:
        MissingError: there is none, it cannot be reached, or it lacks what was requested.
    """
    import requests
    from docker.errors import DockerException

    import docker

    try:
        client = docker.from_env()
    except DockerException as error:
        raise _unreachable(error) from error
    try:
        client.ping()
        yield client
    except DockerException as error:
        raise explain(error) from error
    except requests.ConnectionError as error:
        raise _unreachable(error) from error
    finally:
        client.close()


def create(client: DockerClient, wanted: Wanted) -> Container:
    """Create the container without starting it.

    It runs as the caller's uid. If it may read counters, it starts as root and continues as the
    caller with CAP_SYS_ADMIN only: a capability given to any uid but root's has no effect.
    """
    from docker.types import DeviceRequest, Mount, Ulimit

    uid, gid = os.getuid(), os.getgid()
    command, user, capabilities = list(wanted.command), f"{uid}:{gid}", []
    if wanted.counters:
        capabilities = ["SYS_ADMIN"]
        keep = ["--inh-caps", "+sys_admin", "--ambient-caps", "+sys_admin"]
        as_caller = ["setpriv", "--reuid", str(uid), "--regid", str(gid), "--clear-groups", *keep]
        command, user = [*as_caller, "--", *command], "0:0"
    mounts = [
        Mount(inside, str(folder.resolve()), type="bind", read_only=fixed)
        for fixed, folders in ((False, wanted.writable), (True, wanted.read_only))
        for folder, inside in folders
    ]
    requests = []
    if wanted.gpus == ("all",):
        requests = [DeviceRequest(count=-1, capabilities=[["gpu"]])]
    elif wanted.gpus:
        requests = [DeviceRequest(device_ids=list(wanted.gpus), capabilities=[["gpu"]])]
    ulimits = []
    if wanted.gpus:  # pinned memory counts as locked; unprivileged engines cannot raise these
        ulimits = [
            Ulimit(name="memlock", soft=-1, hard=-1),
            Ulimit(name="stack", soft=_STACK_BYTES, hard=_STACK_BYTES),
        ]
    limits = wanted.limits
    _log.info("container of %s runs %s", wanted.image, shlex.join(wanted.command))
    return client.containers.create(
        wanted.image,
        command,
        labels={LABEL: wanted.family, OWNER: str(os.getpid())},
        user=user,
        working_dir=SCRIPTS,
        environment=dict(wanted.environment),
        mounts=mounts,
        device_requests=requests,
        cap_add=capabilities,
        shm_size=limits.shm_size,
        mem_limit=limits.memory or None,
        memswap_limit=limits.memory or None,
        nano_cpus=None if limits.cpus is None else round(limits.cpus * 1e9),
        ulimits=ulimits,
        init=True,
        stop_signal="SIGINT",  # a training finishes its log on SIGINT, as on Ctrl-C
        tty=wanted.interactive,
        stdin_open=wanted.reads_stdin,
    )


@contextmanager
def started(client: DockerClient, wanted: Wanted) -> Iterator[Container]:
    """The running container; it is removed after the block, however that ends.

    Raises:
        docker.errors.DockerException: the engine refused.
    """
    container = create(client, wanted)
    try:
        container.start()
        yield container
    finally:
        remove(container)


def remove(container: Container) -> None:
    """Remove a container, running or not; a container that is already gone is not an error."""
    import requests
    from docker.errors import DockerException

    with suppress(DockerException, requests.RequestException):
        container.remove(force=True, v=True)


def leftovers(client: DockerClient) -> list[Container]:
    """Our containers that nobody waits for: not running, or started by a process that is gone."""
    ours: list[Container] = client.containers.list(all=True, filters={"label": OWNER})
    return [c for c in ours if c.status != "running" or not _is_alive(c.labels[OWNER])]


def _is_alive(pid: str) -> bool:
    return Path(f"/proc/{pid}").exists()


def explain(error: Exception) -> DetbenchError:
    """The engine's refusal, with the remedy if one is known."""
    from docker.errors import ImageNotFound

    said = " ".join(str(getattr(error, "explanation", "") or error).split())
    if isinstance(error, ImageNotFound) or "No such image" in said:
        name = said.rpartition(" ")[2]
        return MissingError(f"there is no image {name}", "bash build_image.sh")
    if "could not select device driver" in said or "Unknown runtime specified nvidia" in said:
        return MissingError(
            f"Docker cannot give a container a GPU: {said}",
            "install the NVIDIA Container Toolkit and restart Docker, or pass --gpus none",
        )
    if "no space left on device" in said:
        return MissingError(f"Docker's disk is full: {said}", "docker system prune")
    return MissingError(f"Docker refused: {said}", "docker info shows what it has")


def _unreachable(error: Exception) -> MissingError:
    said = str(error)
    if "Permission denied" in said:
        return MissingError(
            "Docker's engine may not be used by this user (permission denied)",
            "sudo usermod -aG docker $USER, and log in again",
        )
    return MissingError(
        "Docker's engine is not running here, or not where DOCKER_HOST says",
        "sudo systemctl start docker; to install it: https://docs.docker.com/engine/install",
    )


def facts(client: DockerClient, image: str) -> dict[str, Any]:
    """The entries of an image and its engine in a record."""
    found = client.images.get(image)
    labels = found.labels or {}
    return {
        "image": image,
        "image_id": found.id,
        "image_commit": labels.get("org.opencontainers.image.revision", ""),
        "docker": client.version()["Version"],
    }
