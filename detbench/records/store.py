"""The store of runs: one folder per run, written aside and renamed into place when complete."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from detbench.checkout import checkout
from detbench.errors import BadFileError, MissingError, UsageError
from detbench.hashing import sha256_of
from detbench.records.spec import Measurement, RunRecord, RunSpec
from detbench.records.versions import NO_RECORD, upgraded

_log = logging.getLogger(__name__)

RECORD, LOG, SPEC = "run.json", "output.log", "spec.json"
# Files that hold no result; monitoring.csv exists before the training has begun.
NO_MEASUREMENTS = (LOG, SPEC, "config.yaml", "log.txt", "monitoring.csv")
_RUNNING = ".running-"
_LAST_CHECKPOINT = "last_checkpoint"  # names the newest checkpoint, as in detectron2
_CHECKPOINT = re.compile(r"model_\d+\.pth")
_RESERVE, _RESERVE_BYTES = ".reserve", 64 << 10


class Run(NamedTuple):
    """A run that has ended: its folder and its record."""

    folder: Path
    record: RunRecord


def default_root() -> Path:
    """`/scratch/measurements` in a family's container, else `results` in the checkout or here."""
    if Path("/scripts").exists() and Path("/scratch").is_dir():
        return Path("/scratch/measurements")
    return (checkout() or Path.cwd()) / "results"


def root_of(results: str | os.PathLike[str] | None) -> Path:
    """The results folder that a caller named; None is the default one."""
    return default_root() if results is None else Path(results)


def begin(root: Path, spec: RunSpec) -> Path:
    """Create an empty folder for a new run, beside its final place.

    Raises:
        MissingError: the results folder cannot be written.
    """
    parent = root / spec.gpu_profile
    try:
        parent.mkdir(parents=True, exist_ok=True)
        # The name holds the host and the pid, by which `abandoned` checks whether it is alive.
        prefix = f"{_RUNNING}{spec.model}-{_me()}-"
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            (folder / _RESERVE).write_bytes(bytes(_RESERVE_BYTES))
        except OSError:
            discard(folder)
            raise
        return folder
    except OSError as error:
        raise MissingError(
            f"results folder {parent} cannot be written: {error.strerror}",
            "pass --results with a folder of yours",
        ) from error


def inherit(folder: Path, unfinished: Path) -> None:
    """Copy into a new run's folder what it needs to continue an unfinished run.

    Raises:
        MissingError: the files cannot be copied.
    """
    checkpoint = _newest_checkpoint(unfinished)
    try:
        for name in (checkpoint, _LAST_CHECKPOINT, "metrics.json", "iterations.csv", "log.txt"):
            if (unfinished / name).is_file():
                shutil.copy2(unfinished / name, folder / name)
    except OSError as error:
        discard(folder)
        raise MissingError(
            f"{unfinished} cannot be copied: {error.strerror}", "free some space, or leave --resume"
        ) from error


def has_iterations(folder: Path) -> bool:
    """Whether a run has done any iteration."""
    file = folder / "iterations.csv"
    return file.is_file() and file.read_bytes().count(b"\n") > 1


def abandoned(root: Path) -> list[Path]:
    """The folders of unfinished runs whose process on this host is gone."""
    host = f"-{_host()}-"
    found = []
    for folder in sorted(root.glob(f"*/{_RUNNING}*")):
        _, is_here, rest = folder.name.rpartition(host)
        if is_here and not Path(f"/proc/{rest.split('-')[0]}").exists():
            found.append(folder)
    return found


def _me() -> str:
    return f"{_host()}-{os.getpid()}"


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.]", ".", socket.gethostname())


def release(folder: Path) -> None:
    """Free the space that was reserved for the record, so that it can be written to a full disk."""
    (folder / _RESERVE).unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Delete the folder of a run that was refused before it began."""
    shutil.rmtree(folder, ignore_errors=True)


def keep(folder: Path, record: RunRecord) -> Path:
    """Write `run.json` and give the folder its final, unique name.

    Raises:
        MissingError: no name is free, or the disk is full; the folder stays as it is.
    """
    release(folder)
    try:
        (folder / RECORD).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise MissingError(
            f"{folder / RECORD} cannot be written: {error.strerror}",
            f"free some space; the run's files are in {folder}",
        ) from error
    folder.chmod(0o755)
    spec = record.spec
    what = spec.mode if spec.train else "eval"
    name = f"{spec.model}_bs{spec.batch_size}_{what}_{_stamp(record.started)}"
    for number in range(1, 1000):
        final = folder.parent / (name if number == 1 else f"{name}-{number}")
        with suppress(OSError):  # another run of the same second has that name
            folder.rename(final)
            _log.info("keeps %s", final)
            return final
    raise MissingError(f"no free name for the run in {folder.parent}", f"its data is in {folder}")


def link_latest(root: Path, measurement: Path) -> Path:
    """Link the seed suite's flat path under `root` to this measurement, and return that path.

    `<root>/memory_csv_data/memory_bs4.csv` links to the newest run's file, which stays in the run's
    folder. Only links are ever replaced.
    """
    run = next(p for p in measurement.parents if (p / RECORD).is_file())
    flat = root / measurement.relative_to(run)
    flat.parent.mkdir(parents=True, exist_ok=True)
    if flat.exists() and not flat.is_symlink():
        return measurement
    fresh = flat.with_name(f".link-{os.getpid()}-{flat.name}")
    fresh.symlink_to(os.path.relpath(measurement, flat.parent))
    fresh.replace(flat)
    return flat


def measurements_in(folder: Path, *, but_logs: bool = False) -> tuple[Measurement, ...]:
    """The files of a run's folder, with their hashes; optionally without its log and spec."""
    no_measurements = {RECORD, _RESERVE, *(NO_MEASUREMENTS if but_logs else ())}
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in no_measurements)
    return tuple(
        Measurement(
            path=str(file.relative_to(folder)), bytes=file.stat().st_size, sha256=sha256_of(file)
        )
        for file in files
    )


def read_record(path: Path) -> RunRecord:
    """Read a `run.json`, of this schema version or an older one.

    Raises:
        BadFileError: it is not a record, or that of a newer detbench.
    """
    try:
        return RunRecord.model_validate(upgraded(path, json.loads(path.read_bytes())))
    except OSError as error:
        raise BadFileError(path, f"cannot be read: {error.strerror}", NO_RECORD) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadFileError(
            path, f"not a run record: {first['msg']}", NO_RECORD, place=place
        ) from error
    except ValueError as error:
        raise BadFileError(path, f"not a run record: {error}", NO_RECORD) from error


def record_files(root: Path) -> list[Path]:
    """The `run.json` of every completed run under `root`."""
    return sorted(root.glob(f"*/[!.]*/{RECORD}"))


def all_runs(root: Path) -> Iterator[Run]:
    """The completed runs under `root`, oldest first.

    Raises:
        BadFileError: a record is damaged, or that of a newer detbench.
    """
    runs = [Run(file.parent, read_record(file)) for file in record_files(root)]
    yield from sorted(runs, key=lambda run: run.record.started)


def run_named(root: Path, name: str) -> Run:
    """The run in the folder with this path, or with this name anywhere under `root`.

    Raises:
        UsageError: no run or several runs have the name.
        BadFileError: a record cannot be read.
    """
    runs = list(all_runs(root))
    found = [run for run in runs if name in (run.folder.name, str(run.folder))]
    if not found and Path(name).is_dir():
        found = [run for run in runs if run.folder.resolve() == Path(name).resolve()]
    if not found and (Path(name) / RECORD).is_file():  # a run of another results folder
        found = [Run(Path(name), read_record(Path(name) / RECORD))]
    if not found:
        raise UsageError(f"{root} has no run '{name}'", "detbench results lists the runs")
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} runs are named '{name}'", f"name its folder, such as {found[0].folder}"
        )
    return found[0]


def find_ok(root: Path, spec: RunSpec) -> Run | None:
    """The newest successful run of the same spec."""
    digest = spec.digest()  # not the stored digest: older versions had fewer fields
    found = [
        run
        for run in all_runs(root)
        if run.record.spec.digest() == digest and run.record.status == "ok"
    ]
    return found[-1] if found else None


def find_unfinished(root: Path, spec: RunSpec) -> Path | None:
    """The folder of the newest run of the same spec that ended early with a checkpoint.

    Runs whose process was killed before it could write a record are included.
    """
    digest = spec.digest()
    found = [
        folder
        for folder, record in all_runs(root)
        if record.spec.digest() == digest and record.status != "ok"
    ]
    for folder in abandoned(root):
        with suppress(OSError, ValidationError):
            if RunSpec.model_validate_json((folder / SPEC).read_bytes()).digest() == digest:
                found.append(folder)
    # At the end the newest checkpoint is model_final.pth, which cannot be continued.
    with_checkpoint = [f for f in found if _CHECKPOINT.fullmatch(_newest_checkpoint(f))]
    return max(with_checkpoint, key=lambda f: (f / _LAST_CHECKPOINT).stat().st_mtime, default=None)


def _newest_checkpoint(folder: Path) -> str:
    file = folder / _LAST_CHECKPOINT
    return file.read_text(encoding="utf-8").strip() if file.is_file() else ""


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")
