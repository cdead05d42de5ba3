"""Filling the matrix of a family's models and batch sizes: what trains here, and how fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import Unpack

from detbench.api import requested as _requested
from detbench.api.options import SweepOptions
from detbench.errors import DetbenchError, RunFailedError, UsageError
from detbench.new_file import refuse_existing
from detbench.records.spec import RunSpec
from detbench.records.store import Run
from detbench.utilization.described import described

if TYPE_CHECKING:
    import pandas as pd

    from detbench.sweeping.planning import Planned
    from detbench.sweeping.search import Row

_BATCH_SIZES = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Swept:
    """A matrix as far as it is decided.

    Attributes:
        gpu_profile: what its runs are on.
        plan: what was left to do when the sweep began, in words.
        runs: those of this sweep; what the results held already is not among them.
        cells: a row a model, mode and batch size.
        grid: a row a model and mode, a column a batch size.
        causes: why cells do not fit or were not tried, in words.
        table, picture: the files that keep it beside its runs; None after a dry run, and where
            `why_no_picture` says why there is none.
        problem: what ended the sweep, or left a cell undecided; None where nothing did.
    """

    gpu_profile: str
    plan: str
    runs: list[Run]
    cells: pd.DataFrame
    grid: pd.DataFrame
    causes: list[str]
    table: Path | None = None
    picture: Path | None = None
    why_no_picture: str = ""
    problem: DetbenchError | None = None


def sweep(
    family: str,
    modes: Sequence[str] = ("noprofile",),
    *,
    gpu_profile: str = "auto",
    max_iterations: int = 10,
    again: bool = False,
    confirm: bool = False,
    dry_run: bool = False,
    heat_map: Path | str | None = None,
    **options: Unpack[SweepOptions],
) -> Swept:
    """Fill the matrix by as few runs as decide it, and keep it beside them.

    A batch size that trains decides all smaller ones, one that runs out of memory all larger ones.
    What the results hold already is not run again; two sweeps on the same results share the work.
    What ends a sweep after its first result, such as Ctrl-C, is returned as its `problem`.

    Args:
        family: such as `maskrcnn`.
        modes: a row each.
        gpu_profile: go on only where the GPU here is that one; `auto` takes what is there.
        max_iterations: of a run, its warm-up included.
        again: whether what the results already decide is measured anew.
        confirm: whether what a prediction says is far too large is run, too.
        dry_run: whether only what is known is looked at; nothing is run or written.
        heat_map: a new PNG file for the matrix, besides the one in the results.
        **options: see `SweepOptions`; batch sizes are 1, 2, 4, 8, 16 and 32 by default.

    Raises:
        UsageError: something named does not exist, or contradicts something else.
        MissingError: the machine lacks what the runs need, and nothing was measured yet.
    """
    from detbench.sweeping.planning import planned

    _requested.check("sweep", options, SweepOptions)
    picture = Path(heat_map) if heat_map is not None else None
    if picture is not None:
        refuse_existing(picture, "--heat-map")
    if max_iterations < 1:
        raise UsageError(f"max_iterations is at least 1, not {max_iterations}")
    tell = _requested.on_event(options)
    found = planned(
        family,
        modes,
        _requested.request(
            {**options, "batch_size": options.get("batch_size") or _BATCH_SIZES},
            shortened_to=max_iterations,
        ),
        _requested.place(options),
        gpu_profile,
        tell,
        again=again,
        confirm=confirm,
        dry_run=dry_run,
    )
    plan = _plan(found)
    if dry_run:
        return _swept(found, found.sweep.rows(), plan, [])
    tell({"event": "note", "text": plan})
    runs: list[Run] = []
    stopped = _run(found, runs)
    return _kept(found, plan, runs, stopped, picture)


def _plan(found: Planned) -> str:
    from detbench.sweeping.running import describe

    left, seconds = found.sweep.estimate()
    cells = len(found.sweep.specs)
    return f"sweep of {cells} cells on {found.profile}: {describe(left, seconds)}"


def _run(found: Planned, runs: list[Run]) -> DetbenchError | None:
    """Do what is left, adding to `runs`; what ended it before it was done, once there is a result.

    Raises:
        DetbenchError: the same, before.
    """

    def do(spec: RunSpec, retries: Path | None) -> Run:
        runs.append(found.do(spec, retries))
        return runs[-1]

    try:
        found.sweep.run(do)
    except KeyboardInterrupt:
        return RunFailedError("interrupted", "the same command goes on where it stopped")
    except DetbenchError as error:
        if not any(row.measured for row in found.sweep.rows()):
            raise
        return error
    return None


def _swept(found: Planned, rows: Sequence[Row], plan: str, runs: list[Run]) -> Swept:
    from detbench.sweeping.matrix import causes, cells, grid

    table = described(
        cells(rows, found.profile, compute_slices=found.compute_slices),
        kind="sweep",
        title=f"What trains on {found.profile}",
        window="each run's own, warm-up excluded",
        denominator="images / wall time of each run's window",
        count=plan.partition(":")[0],
    )
    return Swept(found.profile, plan, runs, table, grid(rows), causes(rows))


def _kept(
    found: Planned, plan: str, runs: list[Run], stopped: DetbenchError | None, copy: Path | None
) -> Swept:
    """The matrix as the results have it now, kept in files."""
    from detbench.reporting.heat_map import draw
    from detbench.reporting.matrix_files import keep_picture, keep_table
    from detbench.sweeping.problems import problem

    rows = found.sweep.rows()
    swept = _swept(found, rows, plan, runs)
    table = keep_table(swept.cells, found.sweep.root / found.profile)
    picture, why_none = keep_picture(rows, found.profile, table)
    unwritten: DetbenchError | None = None
    if copy is not None:
        try:
            draw(rows, found.profile, copy)
        except DetbenchError as error:
            unwritten = error
    return replace(
        swept,
        table=table,
        picture=picture,
        why_no_picture=why_none,
        problem=stopped or unwritten or problem(found.sweep),
    )
