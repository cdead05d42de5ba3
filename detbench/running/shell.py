"""A shell in a family's container, for a person or for one command."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detbench.checkout import source_checkout
from detbench.errors import UsageError
from detbench.gpus.discovery import discover
from detbench.launch.base import OnEvent
from detbench.launch.docker import COUNTERS_NOTE, DATASET, SCRATCH, Limits, Wanted, tag
from detbench.running.place import host_folder
from detbench.running.switched import MODE_VARIABLE, switched
from detbench.suite import load_family


@dataclass(frozen=True)
class Shell:
    """The settings of a shell.

    Attributes:
        gpus: `all`, `none`, or indices and UUIDs separated by commas; empty for all, if any exist.
        dataset_dir, scratch_dir: the host's folders for /dataset (read-only) and /scratch.
        counters: whether it may read GPU counters in modes other than nsight too.
        command: runs instead of an interactive shell.
        is_terminal: whether it is used at a terminal.
    """

    gpus: str = ""
    dataset_dir: Path | None = None
    scratch_dir: Path | None = None
    limits: Limits = field(default_factory=Limits)
    counters: bool = False
    command: Sequence[str] = ()
    is_terminal: bool = False


def attend_shell(family: str, shell: Shell, on_event: OnEvent) -> int:
    """Open the shell in the mode that the checkout is switched to; returns its exit code.

    The container runs as the caller and is removed when the shell ends; /scratch stays.

    Raises:
        UsageError: there is no such family or GPU.
        MissingError: there is no engine, no image or no checkout.
    """
    from detbench.launch import images, terminal
    from detbench.launch.docker import create, engine, remove

    load_family(family)
    mode, gpus = switched(family), _gpus(shell.gpus)
    dataset = host_folder(shell.dataset_dir, "dataset")
    scratch = host_folder(shell.scratch_dir, "scratch")
    counters = shell.counters or (mode.name == "nsight" and bool(gpus))
    wanted = Wanted(
        family=family,
        image=tag(family),
        command=shell.command or ("bash",),
        gpus=gpus,
        writable=((scratch, SCRATCH),),
        read_only=((dataset, DATASET),),
        environment=(
            (MODE_VARIABLE, mode.name),
            ("TERM", os.environ.get("TERM", "dumb")),
        ),
        limits=shell.limits,
        counters=counters,
        interactive=shell.is_terminal,
        reads_stdin=True,
    )
    with engine() as client:
        notes = [
            images.staleness(client, source_checkout(), family),
            f"{tag(family)}, mode {mode.name}, GPUs {','.join(gpus) or 'none'}; "
            f"/dataset is {dataset}, /scratch is {scratch}",
            COUNTERS_NOTE if counters else "",
        ]
        for text in filter(None, notes):
            on_event({"event": "note", "text": text})
        container = create(client, wanted)
        try:
            return terminal.attend(container, is_terminal=shell.is_terminal)
        finally:
            remove(container)


def _gpus(given: str) -> tuple[str, ...]:
    """The chosen GPUs: nothing, `("all",)`, or indices and UUIDs.

    Raises:
        UsageError: an index names no GPU here.
    """
    here, why_none = discover()
    if given == "none" or (not given and not here):
        return ()
    if given in ("", "all"):
        return ("all",)
    names = tuple(part.strip() for part in given.split(",") if part.strip())
    wrong = [n for n in names if n.isdecimal() and here and int(n) >= len(here)]
    if wrong or not names:
        raise UsageError(
            f"--gpus {given}: there is no GPU {wrong[0] if wrong else ''}",
            f"there are {len(here)} here" if here else why_none,
        )
    return names
