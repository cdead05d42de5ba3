"""Memory tables: what memory is used for, and how its use grows with the batch size."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from detbench.api.files import Files, Memory, PathLike, Recording, recordings
from detbench.api.tables import check_level, joined, only, short_names, stack
from detbench.errors import BadFileError, UsageError
from detbench.readers import memory_curve
from detbench.readers.memory_run import read_memory_run
from detbench.utilization import memory as formulas
from detbench.utilization import memory_wide as wide_form
from detbench.utilization.described import NOTE, described

MEMORY_LEVELS = ("category", "module", "phase", "batch-size", "allocator")

_MIB = 2**20
_TRACK_AGAIN = "track again: bash switch.sh memory && bash run.sh"
_RECORD = "call torch.cuda.memory._record_memory_history() before the training"
_OWN_PHASES = ("data", "forward", "backward", "optimizer")
_PARTS = "MiB are 2^20 bytes; shares are of the memory that the device shows at the peak"
_DENOMINATORS = {
    "category": _PARTS,
    "module": _PARTS,
    "phase": "MiB are 2^20 bytes at each phase's own peak",
    "batch-size": "MiB are 2^20 bytes at the peak; a least-squares line over batch sizes",
    "allocator": "MiB are 2^20 bytes, as tensors requested them unless a column says otherwise",
}


def memory(
    files: Files, by: str = "category", *, phase: str | None = None, top: int | None = None
) -> pd.DataFrame:
    """What memory was used for when tensors together took the most.

    Args:
        files: memory CSVs of detbench or the TBD suite, torch's memory timelines, or snapshots of
            its CUDA allocator: paths or recordings.
        by: parts of the peak by `category` or `module` (of a snapshot, the line that allocated),
            the peak of each `phase`, files of several batch sizes side by side (`batch-size`):
            bytes per image, and the fixed part; or peak and end of a snapshot (`allocator`).
        phase: consider only this phase, such as forward.
        top: number of rows per file; None for all.

    Raises:
        BadFileError: a file cannot be read or is damaged.
        UsageError: there is no such table or phase, or the files cannot be compared.
    """
    check_level(by, MEMORY_LEVELS)
    read = recordings(files, Memory, "memory")
    parts = {
        each.path: only(each.path, each.tables["parts"], "phase", phase, "phase") for each in read
    }
    if by == "batch-size":
        title, table = _by_batch_size(parts)
    elif by == "allocator":
        title = "PyTorch's CUDA allocator: peak of the recording, and its end"
        table = stack({each.path: formulas.by_allocator(_allocator(each)) for each in read})
    else:
        unknown = all(map(has_no_peak, read))
        heading = "Peak of each phase" if by == "phase" else "At the peak"
        if unknown:
            heading = "The peak is unknown"
        title = f"{heading}: {'; '.join(_moment(own) for own in parts.values())}"
        told = {each.path: "; ".join(_notes([each])) for each in read}
        table = stack(
            {
                file: _noted(_head(formulas.by(own, by), top), told[file])
                for file, own in parts.items()
            }
        )
    snapshots = sum(len(own[["iteration", "phase"]].drop_duplicates()) for own in parts.values())
    return described(
        table,
        kind=f"memory by {by}",
        title=title,
        window=joined(each.window for each in read),
        denominator=_DENOMINATORS[by],
        count=f"{snapshots:,} snapshots",
        notes=_notes(read),
    )


def memory_wide(file: PathLike | Recording) -> pd.DataFrame:
    """The peak of every iteration in the TBD suite's wide form, in whole MB (10^6 bytes).

    Raises:
        BadFileError: the file cannot be read.
        UsageError: it is not a memory CSV of detbench.
    """
    (read,) = recordings(file, Memory, "memory")
    parts = read.tables["parts"]
    if not parts["phase"].isin(_OWN_PHASES).all():
        raise UsageError(f"--wide: {read.path} is not a memory CSV of detbench", _TRACK_AGAIN)
    return wide_form.wide(parts)


def memory_curves(files: Files) -> dict[str, pd.DataFrame]:
    """Memory over the iterations, from the timelines beside memory CSVs, by a title for each.

    Raises:
        BadFileError: a timeline cannot be read.
        UsageError: a file has no timeline beside it.
    """
    paths = [each.path for each in recordings(files, Memory, "memory")]
    names = short_names([str(path) for path in paths])
    found = {}
    for path in paths:
        source = memory_curve.beside(path.resolve())
        if path.name.startswith("timeline_"):
            source = path
        elif not source.is_file():
            raise UsageError(f"--timeline: {path} has no {source.name} beside it", _TRACK_AGAIN)
        run = read_memory_run(path)
        known = [run.model or "", f"batch size {run.batch_size}" if run.batch_size else ""]
        title = ", ".join(part for part in (*known, names[str(path)]) if part)
        found[title] = memory_curve.read_memory_curve(source)
    return found


def allocator_curves(files: Files) -> dict[str, pd.DataFrame]:
    """The events of snapshots, by a title for each GPU of each file.

    Raises:
        BadFileError: a file cannot be read, is no snapshot, or has no events.
    """
    found = {}
    read = recordings(files, Memory, "memory")
    names = short_names([str(each.path) for each in read])
    for each in read:
        _allocator(each)
        for device, events in each.tables["events"].groupby("device", sort=False):
            if events["event"].isna().all():
                raise BadFileError(each.path, f"no events of GPU {device} in it", _RECORD)
            found[f"{names[str(each.path)]}, GPU {device}"] = events
    return found


def _notes(read: list[Memory]) -> list[str]:
    """The notes on the GPUs of snapshots; with the file's name where there are several."""
    return [
        f"{f'{each.path}, ' if len(read) > 1 else ''}GPU {device}: {note}"
        for each in read
        if "allocator" in each.tables
        for device, note in each.tables["allocator"][["device", "note"]].to_numpy()
        if note
    ]


def _noted(table: pd.DataFrame, note: str) -> pd.DataFrame:
    return table.assign(**{NOTE: note}) if note else table


def has_no_peak(recording: Memory) -> bool:
    """Whether it is a snapshot in which nothing was recorded."""
    allocator = recording.tables.get("allocator")
    return allocator is not None and bool(allocator["peak (bytes)"].isna().all())


def _allocator(recording: Memory) -> pd.DataFrame:
    if "allocator" not in recording.tables:
        raise BadFileError(
            recording.path, "not a snapshot of PyTorch's CUDA allocator", "use --by category"
        )
    return recording.tables["allocator"]


def _head(table: pd.DataFrame, top: int | None) -> pd.DataFrame:
    return table if top is None else table.head(top)


def _moment(parts: pd.DataFrame) -> str:
    """The size of the peak and its iteration and phase."""
    at = formulas.peak(parts)
    total = at["bytes"].sum() / _MIB
    tracked = at["bytes"][formulas.is_tracked(at)].sum() / _MIB
    first = at.iloc[0]
    known = "" if pd.isna(first["iteration"]) else f"in iteration {first['iteration']}, "
    inside = "" if tracked == total else f", of which tensors hold {tracked:,.1f}"
    return f"{total:,.1f} MiB {known}{first['phase']}{inside}"


def _by_batch_size(parts: dict[Path, pd.DataFrame]) -> tuple[str, pd.DataFrame]:
    found: dict[int, Path] = {}
    models: dict[str, Path] = {}
    for file in parts:
        run = read_memory_run(file)
        if run.batch_size is None:
            raise UsageError(
                f"the batch size of {file} is unknown",
                "name it memory_bs<N>.csv, or keep it in its run's folder",
            )
        if run.batch_size in found:
            raise UsageError(
                f"{found[run.batch_size]} and {file} both have batch size {run.batch_size}",
                "omit one of them",
            )
        found[run.batch_size] = file
        if run.model is not None:
            models[run.model] = file
    if len(models) > 1:
        told = ", ".join(f"{file} of {model}" for model, file in models.items())
        raise UsageError(f"files of different models: {told}", "pass the files of one model")
    sizes = sorted(found)
    phases = [formulas.peak(parts[found[size]])["phase"].iloc[0] for size in sizes]
    title = f"{next(iter(models), 'Memory')} at the peak, by images in a process's batch"
    if len(set(phases)) > 1:
        moves = ", ".join(f"{size}: {phase}" for size, phase in zip(sizes, phases, strict=True))
        title += f"; the peak's phase changes ({moves}), so no line fits: see --phase"
    return title, formulas.by_batch_size({size: parts[found[size]] for size in sizes})
