"""A family's Docker image and container: built, opened, and what is left of them cleaned up."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from detbench.launch.base import OnEvent, ignore
from detbench.launch.docker import Limits
from detbench.records import store
from detbench.running import leftovers
from detbench.running.leftovers import Cleaned
from detbench.running.shell import Shell, attend_shell


class BuiltImage(NamedTuple):
    """An image that was built: its name, the engine's id of it, and its size in bytes."""

    tag: str
    id: str
    bytes: int


def build_image(
    family: str,
    *,
    device: Literal["cuda", "cpu"] = "cuda",
    base_image: str | None = None,
    arguments: Mapping[str, str] | None = None,
    extra_ca: Path | str | None = None,
    use_cache: bool = True,
    dlprof: bool = False,
    on_event: OnEvent | None = None,
) -> BuiltImage:
    """Build the image of a family from docker/*.Dockerfile of the checkout.

    Args:
        family: such as `maskrcnn`.
        device: what it is for; one for the CPU stands on a small image and compiles nothing.
        base_image: the image to stand on.
        arguments: further arguments of the Dockerfiles.
        extra_ca: a PEM file of certificates to trust.
        use_cache: whether layers that were built before are taken.
        dlprof: whether the image of mode dlprof is built instead, which all families share.
        on_event: called with `{"event": "output", "text": ..., "is_step": ...}` for every line.

    Raises:
        UsageError: there is no such family.
        MissingError: there is no engine or no checkout, or a file that is needed is missing.
        RunFailedError: a step of it failed.
    """
    from detbench.checkout import source_checkout
    from detbench.launch import images
    from detbench.launch.docker import engine, tag
    from detbench.suite import load_family

    load_family(family)
    root, tell = source_checkout(), on_event or ignore
    recipe = images.Recipe(
        for_cpu=device == "cpu",
        arguments={**(arguments or {}), **({"BASE_IMAGE": base_image} if base_image else {})},
        extra_ca=Path(extra_ca) if extra_ca is not None else None,
        use_cache=use_cache,
    )

    def say(line: str, is_step: bool) -> None:
        tell({"event": "output", "text": line, "is_step": is_step})

    with engine() as client:
        if dlprof:
            image = images.build_dlprof(client, root, recipe, say)
        else:
            image = images.build(client, root, family, recipe, say)
        size = client.images.get(image).attrs["Size"]
    return BuiltImage(tag(images.DLPROF if dlprof else family), image, size)


def open_shell(
    family: str,
    command: Sequence[str] = (),
    *,
    gpus: str = "",
    dataset_dir: Path | str | None = None,
    scratch_dir: Path | str | None = None,
    memory_limit: str = "",
    cpus: float | None = None,
    shm_size: str = "8g",
    counters: bool = False,
    on_event: OnEvent | None = None,
) -> int:
    """Open a shell in the container of a family, or run a command there; returns its exit code.

    It is connected with this process's own stdin, stdout and stderr.

    Args:
        family: such as `maskrcnn`.
        command: instead of an interactive shell.
        gpus: `all`, `none`, or indices or UUIDs with commas; by default all, if there are any.
        dataset_dir: the folder that is /dataset, read-only; by default the checkout's.
        scratch_dir: the folder that is /scratch; by default the checkout's.
        memory_limit: `8g` or `900m`, without swap beyond.
        cpus: how many cores it may use.
        shm_size: of its /dev/shm.
        counters: whether it may read GPU counters, which takes CAP_SYS_ADMIN.
        on_event: called with a `note` (`text`) for what is to be known beforehand.

    Raises:
        UsageError: there is no such family or GPU.
        MissingError: there is no engine, no image or no checkout.
    """
    shell = Shell(
        gpus=gpus,
        dataset_dir=Path(dataset_dir) if dataset_dir is not None else None,
        scratch_dir=Path(scratch_dir) if scratch_dir is not None else None,
        limits=Limits(memory_limit, cpus, shm_size),
        counters=counters,
        command=tuple(command),
        is_terminal=not command and sys.stdin.isatty() and sys.stdout.isatty(),
    )
    return attend_shell(family, shell, on_event or ignore)


def clean(results: Path | str | None = None, *, dry_run: bool = False) -> Cleaned:
    """Remove the containers and folders of runs that never ended, but no measurement.

    With `dry_run` nothing is removed.
    """
    root = store.root_of(results)
    return leftovers.clean(root, dry_run=dry_run)
