"""The verb that finds out which batch sizes of which models train here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detbench.cli.options import print_table, show
from detbench.cli.run_options import sweep_options
from detbench.cli.session import Session, prepare
from detbench.errors import DetbenchError, MissingError, RunFailedError, UsageError

if TYPE_CHECKING:
    from detbench.records.spec import RunSpec
    from detbench.sweeping.running import Sweep
    from detbench.sweeping.search import Predictor, Row


@click.command()
@sweep_options
def sweep(
    family: str,
    modes: str,
    gpu_profile: str,
    again: bool,
    confirm: bool,
    dry_run: bool,
    heat_map: Path | None,
    style: str,
    **options: Any,
) -> None:
    """Fill the matrix of a FAMILY's models and batch sizes: what trains here, and how fast.

    As few runs as decide it: a batch size that trains decides all smaller ones, one that runs out
    of memory all larger ones. Every run is a process or container of its own. What the results
    hold already is not run again, so that the same command goes on where it stopped; two at once
    on the same results share the work. With --memory-limit on a CPU the GPU profile is called
    after it, cpu-900MiB.

    \b
    Examples:
      detbench sweep faster_rcnn --models fpn --batch-sizes 2,4,8,16 --dry-run
      detbench sweep maskrcnn --device cpu --memory-limit 2g --batch-sizes 4,16,64
    """
    from detbench.sweeping.running import Sweep, by_cell, describe

    if heat_map is not None and heat_map.exists():
        raise UsageError(f"--heat-map {heat_map} exists already", "name a new file")
    sessions, specs = _planned(family, modes, options, dry_run=dry_run)
    profile = specs[0].gpu_profile
    session = next(iter(sessions.values()))
    if gpu_profile not in ("auto", profile):
        _check_profile(gpu_profile, session, family, profile)
    slices = session.gpu.compute_slices if session.gpu else None
    matrix = Sweep(
        root=session.root,
        specs=by_cell(specs),
        devices=session.launcher.gpus or ("cpu",),
        limits=session.launcher.at_most(),
        predictor=_predictor(session, specs),
        again=again,
        confirm=confirm,
        say=lambda line: click.echo(line, err=True),
    )
    left, seconds = matrix.estimate()
    plan = f"sweep of {len(specs)} cells on {profile}: {describe(left, seconds)}"
    if dry_run:
        _print(matrix.rows(), profile, slices, style, plan)
        return
    click.echo(plan, err=True)
    stopped: DetbenchError | None = None
    try:
        matrix.run(lambda spec, retries: sessions[spec.mode].do(spec, retries))
    except KeyboardInterrupt:
        stopped = RunFailedError("interrupted", "the same command goes on where it stopped")
    except DetbenchError as error:
        if not any(row.measured for row in matrix.rows()):
            raise
        stopped = error
    _finish(matrix, session.root / profile, slices, style, heat_map)
    if stopped is not None:
        raise stopped
    _fail_on_bad(matrix)


def _check_profile(wanted: str, session: Session, family: str, here: str) -> None:
    """Refuse a GPU profile that runs here would not be on, in whichever spelling."""
    from detbench.gpus.profiles import profile_named

    named = profile_named(wanted)
    if session.gpu is None or session.gpu.catalogued != named:
        raise MissingError(
            f"--gpu-profile {wanted}: runs here would be on {here}",
            "choose another GPU with --gpus, or pass auto; what would fit there is told by"
            f" detbench fit {family} --gpu-profile {named.name}",
        )


def _predictor(session: Session, specs: list[RunSpec]) -> Predictor | None:
    """What predicts the runs' memory; nothing does on a CPU, or on a GPU of an unknown profile."""
    from detbench.sweeping.predicting import FitPredictor

    if session.gpu is None or session.gpu.catalogued is None:
        return None
    return FitPredictor.of(session.gpu.catalogued, specs)


def _planned(
    family: str, modes: str, options: dict[str, Any], *, dry_run: bool
) -> tuple[dict[str, Session], list[RunSpec]]:
    """A session a mode, and the runs of all cells."""
    from detbench.records.modes import resolve_mode

    sessions, specs = {}, []
    for name in dict.fromkeys(name.strip() for name in modes.split(",")):
        mode = resolve_mode(name)
        session, planned = prepare(family, mode, dict(options), "window", dry_run=dry_run)
        sessions[mode.name] = session
        specs += planned
    return sessions, specs


def _print(rows: Sequence[Row], profile: str, slices: int | None, style: str, title: str) -> None:
    from detbench.sweeping.matrix import causes, cells, grid

    if style in ("csv", "json"):
        print_table(cells(rows, profile, compute_slices=slices), style)
        return
    print_table(grid(rows), style, title)
    for line in causes(rows):
        click.echo(line)


def _finish(
    matrix: Sweep, folder: Path, slices: int | None, style: str, heat_map: Path | None
) -> None:
    """Print the matrix, and keep it as a table and a picture beside its runs."""
    from detbench.reporting.heat_map import draw
    from detbench.sweeping.matrix import cells

    rows, profile = matrix.rows(), folder.name
    _print(rows, profile, slices, style, f"What trains on {profile}")
    folder.mkdir(parents=True, exist_ok=True)
    kept = _free_name(folder)
    show([cells(rows, profile, compute_slices=slices)], "csv", kept)
    click.echo(f"kept in {kept}", err=True)
    try:
        draw(rows, profile, kept.with_suffix(".png"))
        if heat_map is not None:
            draw(rows, profile, heat_map)
    except MissingError as error:
        if heat_map is not None:
            raise
        click.echo(f"no picture: {error}", err=True)


def _free_name(folder: Path) -> Path:
    stem = f"feasibility_{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
    names = (stem if n == 1 else f"{stem}-{n}" for n in range(1, 1000))
    free = (name for name in names if not any(folder.glob(f"{name}.*")))
    return folder / f"{next(free)}.csv"


def _fail_on_bad(matrix: Sweep) -> None:
    """Raise where a cell is neither known to fit nor to run out of memory."""
    from detbench.sweeping.search import states

    for error in matrix.refused.values():
        raise error
    bad = [
        (row, size, state)
        for row in matrix.rows()
        for size, state in states(row).items()
        if state.status in ("failed", "timeout")
    ]
    if bad:
        row, size, state = bad[0]
        more = f" ({len(bad)} cells)" if len(bad) > 1 else ""
        raise RunFailedError(
            f"{row.model} batch size {size}: {state.status}: {state.cause}{more}",
            f"see {Path(state.run) / 'output.log'}; the same command tries it again",
        )
