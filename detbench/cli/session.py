"""What the verbs that train have in common: doing planned runs, and saying how they went."""

from __future__ import annotations

import os
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detbench.cli.container import host_folder, limits
from detbench.cli.options import print_table, targets
from detbench.errors import MissingError, RunFailedError, UsageError

if TYPE_CHECKING:
    from detbench.gpus.discovery import Gpu
    from detbench.launch.base import Launcher
    from detbench.records.modes import Mode
    from detbench.records.spec import Nodes, RunRecord, RunSpec
    from detbench.running.attach import Attachment
    from detbench.running.plan import Purpose

Done = tuple[Path, "RunRecord"]


@dataclass(frozen=True)
class Session:
    """Runs of one family and mode on this machine.

    Attributes:
        gpus: one for each process; () trains on the CPU, `why_no_gpu` says why.
        monitor_every: seconds between samples beside a run; 0 for none.
        resume: whether a good run of the same spec is taken for the result, and an unfinished one
            gone on with.
    """

    family: str
    mode: Mode
    gpus: tuple[Gpu, ...]
    why_no_gpu: str
    root: Path
    launcher: Launcher
    time_limit: float | None
    resume: bool
    monitor_every: float

    @property
    def gpu(self) -> Gpu | None:
        """That of the first process."""
        return self.gpus[0] if self.gpus else None

    def do(self, spec: RunSpec, retries: Path | None = None) -> Done:
        """Do a run, or find a good one of the same spec; its folder and record.

        `retries` is the folder of a failed one that it tries again.

        Raises:
            MissingError: the machine lacks what the mode needs.
        """
        from detbench.cli.progress import TrainingProgress
        from detbench.records import store
        from detbench.running.attach import attach
        from detbench.running.doctor import lacks
        from detbench.running.execute import execute

        if self.resume and (found := store.find_ok(self.root, spec)):
            return found
        attachment = attach(self.mode, self.gpu, spec.batch_size, spec.window)
        missing = lacks(self.mode, attachment, self.launcher, self.gpu, self.why_no_gpu)
        if missing:
            raise MissingError(
                f"mode {self.mode.name} lacks " + ", and ".join(lack.what for lack in missing),
                "; ".join(lack.remedy for lack in missing),
            )
        if attachment.reason:
            click.echo(f"{self.mode.name}: {attachment.reason}", err=True)
        unfinished = None
        if self.resume and spec.checkpoint_every:
            unfinished = store.find_unfinished(self.root, spec)
        if unfinished is not None:
            click.echo(f"going on from the checkpoint in {unfinished.name}", err=True)
        what = self.mode.name if spec.train else "evaluation"
        with TrainingProgress(f"{spec.model} bs{spec.batch_size} {what}") as progress:
            return execute(
                spec,
                attachment,
                self.launcher,
                root=self.root,
                on_event=progress.on_event,
                time_limit=self.time_limit,
                continues=unfinished,
                gpus=self.gpus,
                monitor_every=self.monitor_every,
                retries=retries,
            )

    def do_all(self, specs: list[RunSpec]) -> list[Done]:
        """Do runs, one after the other, until the user ends one."""
        done: list[Done] = []
        for spec in specs:
            done.append(self.do(spec))
            if done[-1][1].status == "interrupted":
                break  # the user meant all of it
        return done


def begin(
    family_name: str, mode: Mode, options: dict[str, Any], purpose: Purpose
) -> tuple[Session, list[RunSpec]] | None:
    """The session and the planned runs; None where the commands were only to be shown."""
    dry_run = options.pop("dry_run")
    session, specs = prepare(family_name, mode, options, purpose, dry_run=dry_run)
    if dry_run:
        _show_commands(specs, session)
        return None
    return session, specs


def prepare(
    family_name: str, mode: Mode, options: dict[str, Any], purpose: Purpose, *, dry_run: bool
) -> tuple[Session, list[RunSpec]]:
    """The session and the planned runs; with `dry_run` nothing is made or said.

    Takes the options of the verbs that train, but for how a table is printed, out of `options`.
    """
    from detbench.gpus import discovery
    from detbench.records import store
    from detbench.running.plan import Request, plan
    from detbench.sizes import bytes_of
    from detbench.suite import load_family

    root = options.pop("results") or store.default_root()
    given = options.pop("gpus")
    in_container, datasets = options.pop("launcher") == "docker", options.pop("dataset_dir")
    time_limit, resume = options.pop("time_limit"), options.pop("resume", False)
    monitor_every = options.pop("monitor_every")
    limited, target = limits(options), options.pop("target", None)
    request = Request(
        num_iterations=options.pop("iterations", None),
        memory_limit=bytes_of(limited.memory) if limited.memory else None,
        nodes=_nodes(options, in_container),
        target=targets(target) if target else {},
        **{key: value for key, value in options.items() if key != "style"},
    )
    family = load_family(family_name)
    found, why_none = discovery.several(given)
    if not found and given not in ("", "none"):
        raise MissingError(f"--gpus {given}: {why_none}", "pass --gpus none for the CPU")
    specs = plan(family, mode, request, found[0] if found else None, purpose=purpose)
    on_gpu = specs[0].device == "cuda"
    taken = found[: request.num_processes] if on_gpu else ()
    if on_gpu and len(taken) < request.num_processes:
        raise MissingError(
            f"{request.num_processes} processes need a GPU each, and {len(found)} can be used here",
            "pass a smaller --processes",
        )
    uuids, gpu = tuple(each.uuid for each in taken), taken[0] if taken else None
    launcher: Launcher
    if in_container:
        from detbench.launch.container import ContainerLauncher

        launcher = ContainerLauncher(
            family=family_name,
            results=root,
            datasets=None if dry_run else host_folder(datasets, "dataset"),
            read_only=_paths(specs),
            gpus=uuids,
            limits=limited,
            counters=mode.name == "nsight" and gpu is not None,
        )
    else:
        from detbench.launch.local import LocalLauncher

        launcher = LocalLauncher(uuids, request.memory_limit)
    if in_container and not dry_run:
        _say_image(family_name, launcher.reads_counters())
    session = Session(
        family_name, mode, taken, why_none, root, launcher, time_limit, resume, monitor_every
    )
    return session, specs


def _nodes(options: dict[str, Any], in_container: bool) -> Nodes:
    """The machines, of the options `--nodes`, `--node-rank` and `--rendezvous`."""
    from detbench.records.spec import Nodes

    count, rank = options.pop("nodes", 1), options.pop("node_rank", 0)
    rendezvous = options.pop("rendezvous", "")
    if count == 1:
        if rank or rendezvous:
            raise UsageError("--node-rank and --rendezvous are for several machines", "--nodes N")
        return Nodes()
    host, _, port = rendezvous.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise UsageError(
            f"--nodes {count} needs --rendezvous HOST:PORT, not '{rendezvous}'",
            "machine 0's name, and a port that is free there",
        )
    if rank >= count:
        raise UsageError(f"--node-rank {rank}: of {count} machines the last is {count - 1}")
    if in_container:
        raise UsageError(
            "--launcher docker trains on one machine",
            "bash run_container.sh on each, and train.sh --nodes inside",
        )
    if rank == 0:
        _check_free(int(port))
    return Nodes(count=count, rank=rank, rendezvous=rendezvous)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise MissingError(
                f"port {port} cannot be listened on here: {error.strerror}",
                "name another one in --rendezvous, on all machines",
            ) from error


def _paths(specs: list[RunSpec]) -> tuple[Path, ...]:
    """The files and folders that runs read by a path of this host."""
    named = {name for spec in specs for name in (spec.dataset, spec.weights)}
    return tuple(sorted(Path(name) for name in named if Path(name).is_absolute()))


def _say_image(family: str, counters: bool) -> None:
    """What is to be known before runs in a family's image begin."""
    from detbench.checkout import checkout
    from detbench.launch import images
    from detbench.launch.docker import engine

    root = checkout()
    with engine() as client:
        if root is not None and (old := images.staleness(client, root, family)):
            click.echo(f"{old}: bash build_image.sh", err=True)
    if counters:
        click.echo("the container may read GPU counters: CAP_SYS_ADMIN is added", err=True)


def _show_commands(specs: list[RunSpec], session: Session) -> None:
    from detbench.running.attach import attach
    from detbench.running.execute import training_command

    mode, gpu, launcher = session.mode, session.gpu, session.launcher
    if mode.needs_gpu and gpu is None:
        click.echo("no GPU here: the command as for a current data-centre GPU", err=True)
    for spec in specs:
        attachment: Attachment = attach(mode, gpu, spec.batch_size, spec.window)
        if attachment.reason:
            click.echo(f"{mode.name}: {attachment.reason}", err=True)
        folder = launcher.seen(session.root / spec.gpu_profile / "RUN")
        click.echo(shlex.join(training_command(spec, attachment, launcher.python, folder)))


def print_records(done: list[Done], style: str) -> None:
    """A row a run, and for the eye where each is kept."""
    import pandas as pd

    for_the_eye = style in ("table", "md")
    rows = []
    for folder, record in done:
        speed = record.throughput
        rows.append(
            {
                "model": record.spec.model,
                "batch size": record.spec.batch_size,
                "mode": record.spec.mode if record.spec.train else "evaluation",
                "status": record.status,
                "images/s": speed.images_per_second if speed else None,
                "iterations": str(record.spec.window) if record.spec.train else None,
                "data wait (%)": 100 * speed.data_wait_share if speed else None,
                **(record.accuracy or {}),
                "run": str(folder),
            }
        )
    table = pd.DataFrame(rows)
    if for_the_eye:  # what is long or seldom looked at stands in run.json
        table = table.drop(columns=["run", *(c for c in table if str(c).endswith("AP75"))])
        table = table.drop(columns=[c for c in table if table[c].isna().all()])
    print_table(table, style)
    if for_the_eye:
        say_where(done)


def say_where(done: list[Done]) -> None:
    """Where runs are kept."""
    for folder, _ in done:
        click.echo(f"kept in {min(os.path.relpath(folder), str(folder), key=len)}")


def fail_on_bad(done: list[Done]) -> None:
    """Raise where a run did not go well.

    Raises:
        RunFailedError: naming the first such run and its cause.
    """
    bad = [(folder, record) for folder, record in done if record.status != "ok"]
    if bad:
        folder, record = bad[0]
        more = f" ({len(bad)} of {len(done)} runs)" if len(bad) > 1 else ""
        raise RunFailedError(
            f"{record.spec.model} batch size {record.spec.batch_size}: {record.status}:"
            f" {record.cause}{more}",
            f"see {folder / 'output.log'}",
        )
