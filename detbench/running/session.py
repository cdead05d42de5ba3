"""Runs of one family and mode on this machine: prepared once, then done one by one."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from detbench.checkout import checkout
from detbench.errors import DetbenchError, MissingError, UsageError
from detbench.gpus import discovery
from detbench.gpus.discovery import Gpu
from detbench.launch.base import Launcher, OnEvent
from detbench.launch.container import ContainerLauncher
from detbench.launch.docker import COUNTERS_NOTE, tag
from detbench.launch.local import LocalLauncher
from detbench.records import store
from detbench.records.modes import Mode
from detbench.records.spec import RunSpec
from detbench.records.store import Run
from detbench.running.attach import Kernels, attach
from detbench.running.doctor import lacks
from detbench.running.execute import execute, training_command
from detbench.running.expectation import expectation
from detbench.running.place import Place, host_folder
from detbench.running.plan import Purpose, Request, plan
from detbench.suite import load_family


class Commands(NamedTuple):
    """The command lines of planned runs, one per run, and notes on them."""

    lines: list[str]
    notes: list[str]


@dataclass(frozen=True)
class Session:
    """Runs of one family and mode on this machine.

    Attributes:
        gpus: one for each process; () trains on the CPU, and `why_no_gpu` says why.
        root: the folder that keeps the runs.
        on_event: called with every event of a training, in another thread, and with those of this
            class: `run` (`name`) when a run begins, `ended` (`status`, `folder`) when it has
            ended, and `note` (`text`) for a note about it.
    """

    mode: Mode
    gpus: tuple[Gpu, ...]
    why_no_gpu: str
    root: Path
    launcher: Launcher
    place: Place
    on_event: OnEvent

    @property
    def gpu(self) -> Gpu | None:
        """The GPU of the first process."""
        return self.gpus[0] if self.gpus else None

    def do(self, spec: RunSpec, retries: Path | None = None) -> Run:
        """Do a run, or return a good run of the same spec if the place asks for that.

        `retries` is the folder of a failed run that this one tries again.

        Raises:
            MissingError: the machine lacks what the mode needs.
            DetbenchError: the run was refused before its first iteration.
        """
        if self.place.resume and (found := store.find_ok(self.root, spec)):
            return found
        attachment = attach(self.mode, self.gpu, spec.batch_size, spec.window, _kernels(spec))
        missing = lacks(self.mode, attachment, self.launcher, self.gpu, self.why_no_gpu)
        if missing:
            raise MissingError(
                f"mode {self.mode.name} lacks " + ", and ".join(lack.what for lack in missing),
                "; ".join(lack.remedy for lack in missing),
            )
        if attachment.reason:
            self.note(f"{self.mode.name}: {attachment.reason}")
        limit = self.place.time_limit or self.mode.time_limit
        if self.mode.name == "nsight":
            ahead = expectation(self.root, spec)
            self.note(
                f"nsight: {ahead}{'; ' if ahead else ''}every kernel is replayed several times;"
                f" the run ends after {limit:.0f} s at the latest (--time-limit)"
            )
        unfinished = None
        if self.place.resume and spec.checkpoint_every:
            unfinished = store.find_unfinished(self.root, spec)
        if unfinished is not None:
            self.note(f"going on from the checkpoint in {unfinished.name}")
        what = self.mode.name if spec.train else "evaluation"
        self.on_event({"event": "run", "name": f"{spec.model} bs{spec.batch_size} {what}"})
        try:
            run = execute(
                spec,
                attachment,
                self.launcher,
                root=self.root,
                on_event=self.on_event,
                time_limit=limit,
                continues=unfinished,
                gpus=self.gpus,
                monitor_every=self.place.monitor_every,
                retries=retries,
            )
        except DetbenchError:
            self.on_event({"event": "ended", "status": "refused", "folder": None})
            raise
        self.on_event({"event": "ended", "status": run.record.status, "folder": run.folder})
        return run

    def commands(self, specs: Iterable[RunSpec]) -> Commands:
        """The command line of every run, with RUN for its folder."""
        found = Commands([], [])
        if self.mode.needs_gpu and self.gpu is None:
            found.notes.append("there is no GPU here: this is for a current data-centre GPU")
        for spec in specs:
            attachment = attach(self.mode, self.gpu, spec.batch_size, spec.window, _kernels(spec))
            if attachment.reason:
                found.notes.append(f"{self.mode.name}: {attachment.reason}")
            folder = self.launcher.seen(self.root / spec.gpu_profile / "RUN")
            command = training_command(spec, attachment, self.launcher.python, folder)
            found.lines.append(shlex.join(command))
        return found

    def note(self, text: str) -> None:
        """Report a note."""
        self.on_event({"event": "note", "text": text})


def do_all(planned: Iterable[tuple[Session, RunSpec]]) -> list[Run]:
    """Do runs, one after the other, until the user ends one.

    Raises:
        DetbenchError: a run was refused, or the machine lacks what its mode needs.
    """
    done: list[Run] = []
    for session, spec in planned:
        done.append(session.do(spec))
        if done[-1].record.status == "interrupted":
            break  # the user meant to end all of them
    return done


def prepare(
    family_name: str,
    mode: Mode,
    request: Request,
    place: Place,
    purpose: Purpose,
    on_event: OnEvent,
    *,
    dry_run: bool = False,
) -> tuple[Session, list[RunSpec]]:
    """The session and the planned runs; with `dry_run`, nothing is created or reported.

    Raises:
        UsageError: something named does not exist, or contradicts something else.
        MissingError: the machine lacks a GPU, the engine or an image that was requested.
    """
    root, family = store.root_of(place.results), load_family(family_name)
    found, why_none = discovery.several(place.gpus)
    if not found and place.gpus not in ("", "none"):
        raise MissingError(f"--gpus {place.gpus}: {why_none}", "pass --gpus none for the CPU")
    specs = plan(family, mode, request, found[0] if found else None, purpose=purpose)
    on_gpu = specs[0].device == "cuda"
    taken = found[: request.num_processes] if on_gpu else ()
    if len(taken) > 1 and any(gpu.is_mig for gpu in taken):
        raise UsageError(
            f"--processes {request.num_processes}: a process sees a single MIG instance, and NCCL"
            " joins none",
            "train on one instance, or run one training on each: --gpus UUID",
        )
    if on_gpu and len(taken) < request.num_processes:
        raise MissingError(
            f"{request.num_processes} processes need a GPU each, and {len(found)} can be used here",
            "pass a smaller --processes",
        )
    uuids = tuple(gpu.uuid for gpu in taken)
    launcher: Launcher = LocalLauncher(uuids, request.memory_limit)
    if place.launcher == "docker":
        launcher = ContainerLauncher(
            family=family_name,
            results=root,
            datasets=None if dry_run else host_folder(place.dataset_dir, "dataset"),
            read_only=_paths(specs),
            gpus=uuids,
            limits=place.limits,
            counters=mode.name == "nsight" and bool(taken),
        )
        if mode.name == "dlprof":
            launcher = replace(launcher, image=tag("dlprof"), python="python3")
    session = Session(mode, taken, why_none, root, launcher, place, on_event)
    if place.launcher == "docker" and not dry_run and mode.name != "dlprof":
        _note_image(session, family_name)
    return session, specs


def _kernels(spec: RunSpec) -> Kernels:
    return Kernels(spec.kernels, spec.launch_count, spec.roofline)


def _paths(specs: Iterable[RunSpec]) -> tuple[Path, ...]:
    """The files and folders of this host that runs read."""
    named = {name for spec in specs for name in (spec.dataset, spec.weights)}
    return tuple(sorted(Path(name) for name in named if Path(name).is_absolute()))


def _note_image(session: Session, family: str) -> None:
    """Report what a user should know before runs in a family's image begin."""
    from detbench.launch import images
    from detbench.launch.docker import engine

    root = checkout()
    with engine() as client:
        if root is not None and (old := images.staleness(client, root, family)):
            session.note(old)
    if session.launcher.reads_counters():
        session.note(COUNTERS_NOTE)
