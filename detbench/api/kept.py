"""Runs that are kept: as a table, one by one, compared, checked, and on a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from detbench.api.files import OnEvent, PathLike
from detbench.comparison.comparing import Comparison
from detbench.comparison.comparing import compare as compare_sides
from detbench.comparison.sides import group, read_side
from detbench.errors import UsageError
from detbench.new_file import new_file, refuse_existing
from detbench.records import integrity, store
from detbench.records.gather import gather
from detbench.reporting.measurements import Runs
from detbench.reporting.page import build
from detbench.reporting.run_query import query
from detbench.reporting.run_table import run_table
from detbench.reporting.sections import SECTIONS
from detbench.reporting.sections.comparison import against as section_against
from detbench.utilization.described import described

Wanted = str | Sequence[str] | None
"""A value, several of them (or with commas between), or None for all."""


def runs(
    results: PathLike | None = None,
    *,
    family: Wanted = None,
    model: Wanted = None,
    mode: Wanted = None,
    gpu_profile: Wanted = None,
    status: Wanted = None,
    sql: str | None = None,
) -> pd.DataFrame:
    """The runs that a results folder holds, oldest first: a row a run.

    The columns stand in docs/formats.md, "The table of runs"; what was not measured is missing.

    Args:
        results: the folder; None for the one where runs are kept by default.
        family: only runs of these families; so with the next four.
        model: only of these models.
        mode: only in these modes; `evaluation` where nothing was trained.
        gpu_profile: only on these GPUs or slices.
        status: only those that ended so.
        sql: one SELECT over this table, which is called `runs`; needs duckdb.

    Raises:
        BadFileError: a record cannot be read.
        UsageError: the query is no SELECT, or DuckDB refuses it.
    """
    root = _root(results)
    wanted = {
        "family": family, "model": model, "mode": mode, "gpu_profile": gpu_profile,
        "status": status,
    }  # fmt: skip
    kept = list(store.all_runs(root))
    table = run_table([run for run in kept if _is_wanted(run, wanted)])
    no_such = f"{root} holds {'no such run' if kept else 'no run'}"
    return described(
        table if sql is None else query(table, sql),
        kind="runs" if sql is None else "query of runs",
        title="",
        window="each run's own, in the column window",
        denominator="images / wall time of the window",
        count=f"{len(table):,} runs",
        notes=[] if len(table) else [no_such],
    )


def load(run: PathLike, results: PathLike | None = None) -> store.Run:
    """A run's folder and record: by its folder, or by its name in a results folder.

    Raises:
        UsageError: there is no such run, or several of that name.
        BadFileError: its record cannot be read.
    """
    return store.run_named(_root(results), os.fspath(run))


def compare(
    a: PathLike, b: PathLike, *, by: str | None = None, results: PathLike | None = None
) -> Comparison:
    """Whether B is faster than A, model by model and batch size by batch size.

    Runs that are alike but for their seed are repeats; two or more on each side give the ratio of
    images/s its 95 % interval (Welch, on logarithms).

    Args:
        a: a results folder, one GPU profile's folder in it, or the folder of a single run; with
            `by`, a value of that among the runs of one results folder.
        b: the other one.
        by: `image`, `driver`, `gpu-profile` or `commit`.
        results: that results folder; None for the default one.

    Raises:
        UsageError: there is no run on a side, both have runs in common, or no speed was measured.
        BadFileError: a record cannot be read.
    """
    if results is not None and by is None:
        raise UsageError("--results is for --by", "without it A and B are folders")
    if by is not None:
        kept = read_side(_root(results)).runs
        sides = group(kept, by, os.fspath(a)), group(kept, by, os.fspath(b))
    else:
        sides = read_side(Path(a)), read_side(Path(b))
    folders = [{folder.resolve() for folder, _ in side.runs} for side in sides]
    if folders[0] & folders[1]:
        raise UsageError(f"{a} and {b} have runs in common", "name two sets of different runs")
    comparison = compare_sides(*sides)
    if not comparison.pairs:
        raise UsageError(
            f"neither {comparison.a.name} nor {comparison.b.name} has a measured speed",
            "detbench throughput FAMILY measures it: runs that went well, without a profiler",
        )
    return comparison


def verify(results: PathLike | None = None) -> pd.DataFrame:
    """Every file of every run, and its problem: empty where it is as its run left it (sha256).

    Raises:
        UsageError: never; a record that cannot be read is a row with its problem.
    """
    root = _root(results)
    checked = [(str(each.path), each.problem) for each in integrity.check(root)]
    table = pd.DataFrame(checked, columns=["file", "problem"])
    return described(
        table,
        kind="verify",
        title="",
        window="",
        denominator="size and sha256 in each run's record",
        count=f"{len(table):,} files",
    )


class Page(NamedTuple):
    """A page that was made.

    Attributes:
        num_runs: on it.
        num_bytes: its size.
        left_out: a line for each record that could not be read.
    """

    path: Path
    num_runs: int
    num_bytes: int
    left_out: Sequence[str]


def report(
    runs: PathLike | Sequence[PathLike] = (),
    output: PathLike = "report.html",
    *,
    against: PathLike | None = None,
    on_event: OnEvent | None = None,
) -> Page:
    """Make one HTML page of runs, which opens without a network and can be mailed.

    Args:
        runs: results folders, or folders of single runs; none for the default results folder.
        output: a new file.
        against: a results folder that the page compares these runs with.
        on_event: called with `{"event": "found", "runs": 12}`, and with `{"event": "reading",
            "file": "..."}` before each measurement is read.

    Raises:
        UsageError: the file exists already, or a folder does not.
        MissingError: there is no run, or a package that makes pages is not installed.
        BadFileError: a record of `against` cannot be read.
    """
    path = Path(output)
    refuse_existing(path, "--output")
    given = [runs] if isinstance(runs, (str, os.PathLike)) else runs
    found = gather([Path(folder) for folder in given])
    tell = on_event or (lambda event: None)
    tell({"event": "found", "runs": len(found.runs)})
    makers = list(SECTIONS)
    if against is not None:
        makers.insert(1, section_against(read_side(Path(against))))
    page = build(
        Runs(found.runs, say=lambda file: tell({"event": "reading", "file": file})),
        found.unreadable,
        path.absolute().parent,
        datetime.now(timezone.utc),
        makers,
    )
    data = page.encode("utf-8", "backslashreplace")  # names of files need not be Unicode
    with new_file(path, "--output") as stream:
        stream.write(data)
    return Page(path, len(found.runs), len(data), found.unreadable)


def _root(results: PathLike | None) -> Path:
    return store.default_root() if results is None else Path(results)


def _is_wanted(run: store.Run, wanted: dict[str, Wanted]) -> bool:
    record = run.record
    own = {name: getattr(record.spec, name, None) for name in wanted}
    own["status"] = record.status
    if not record.spec.train:
        own["mode"] = "evaluation"
    for name, given in wanted.items():
        values = given.split(",") if isinstance(given, str) else given
        if values is not None and own[name] not in values:
            return False
    return True
