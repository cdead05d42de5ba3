"""The two sets of runs to compare: read from folders, or grouped by a field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from detbench.errors import BadFileError, UsageError
from detbench.records.spec import RunRecord
from detbench.records.store import RECORD, Run, all_runs, read_record


@dataclass(frozen=True)
class Side:
    """One of the two sets of runs.

    Attributes:
        name: the name that the user gave it.
    """

    name: str
    runs: tuple[Run, ...]


def read_side(path: Path) -> Side:
    """The runs in a results folder, in the folder of one GPU profile, or in that of one run.

    Raises:
        BadFileError: a record cannot be read.
        UsageError: there is no run.
    """
    records = sorted(path.glob(RECORD)) or sorted(path.glob(f"[!.]*/{RECORD}"))
    runs = [Run(file.parent, read_record(file)) for file in records] or list(all_runs(path))
    for folder, record in runs:
        speed = record.throughput
        if speed and not (speed.images_per_second > 0 and speed.num_iterations > 0):
            raise BadFileError(
                folder / RECORD,
                f"{speed.images_per_second:g} images/s over {speed.num_iterations} iterations",
                "move that run's folder elsewhere: this is not a measurement",
                place="throughput",
            )
    if not runs:
        raise UsageError(
            f"{path}: no run in it", "name a results folder, or a run's, which holds run.json"
        )
    return Side(str(path), tuple(runs))


_FIELDS: dict[str, Callable[[RunRecord], str]] = {
    "image": lambda record: str(record.environment.get("image_id", "")).removeprefix("sha256:"),
    "driver": lambda record: str(record.environment.get("gpu_driver", "")),
    "gpu-profile": lambda record: record.spec.gpu_profile,
    "commit": lambda record: str(record.environment.get("detbench_commit", "")),
}


def group(runs: Sequence[Run], field: str, value: str) -> Side:
    """The runs whose `field` is `value`, or begins with it if that is unambiguous.

    `field` is image (the id of the image), driver, gpu-profile or commit (of detbench).

    Raises:
        UsageError: no run has such a value, or it is the beginning of several.
    """
    value_of = _FIELDS[field]
    known = sorted({value_of(record) for _, record in runs} - {""})
    wanted = value.removeprefix("sha256:")
    found = [name for name in known if name == wanted] or [
        name for name in known if wanted and name.startswith(wanted)
    ]
    if len(found) != 1:
        what = f"{len(found)} values begin with it" if found else "no run has it"
        raise UsageError(
            f"--by {field}: '{value}': {what}",
            f"the runs have: {', '.join(known) or f'no {field} recorded'}",
        )
    chosen = tuple(run for run in runs if value_of(run[1]) == found[0])
    return Side(f"{field} {found[0]}", chosen)
