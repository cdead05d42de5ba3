"""The runs in a results folder: listed, loaded, compared, verified, and reported on a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from detbench.api.files import PathLike
from detbench.comparison.comparing import Comparison
from detbench.comparison.comparing import compare as compare_sides
from detbench.comparison.sides import group, read_side
from detbench.errors import UsageError
from detbench.launch.base import OnEvent, ignore
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
"""A filter: one value, several (as a sequence or separated by commas), or None for all."""


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
    """The runs in a results folder, oldest first: one row per run.

    docs/formats.md, "The table of runs", lists the columns. A value that was not measured is
    missing.

    Args:
        results: the folder; None for the default results folder.
        family: keep only runs of these families.
        model: keep only runs of these models.
        mode: keep only runs in these modes; `evaluation` for runs without training.
        gpu_profile: keep only runs on these GPU profiles.
        status: keep only runs with these statuses.
        sql: one SELECT over this table, which is named `runs`; needs duckdb.

    Raises:
        BadFileError: a record cannot be read.
        UsageError: the query is not one SELECT, or DuckDB rejects it.
        MissingError: `sql` is given and duckdb is not installed.
    """
    root = store.root_of(results)
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
        window="each run's own; see the column window",
        denominator="images / wall time of the window",
        count=f"{len(table):,} runs",
        notes=[] if len(table) else [no_such],
    )


def load(run: PathLike, results: PathLike | None = None) -> store.Run:
    """The folder and the record of a run.

    Args:
        run: its folder, or its name in the results folder.
        results: the results folder; None for the default one.

    Raises:
        UsageError: there is no such run, or several have that name.
        BadFileError: its record cannot be read.
    """
    return store.run_named(store.root_of(results), os.fspath(run))


def compare(
    a: PathLike, b: PathLike, *, by: str | None = None, results: PathLike | None = None
) -> Comparison:
    """Whether B is faster than A, per model and batch size.

    Runs that differ only in their seed are repeats. Two or more repeats on each side give the
    ratio of images/s a 95 % interval (Welch's, on logarithms).

    Args:
        a: a results folder, a GPU profile's folder in it, or the folder of a single run; with
            `by`, a value of that property among the runs of one results folder.
        b: the same for the other side.
        by: `image`, `driver`, `gpu-profile` or `commit`.
        results: the results folder for `by`; None for the default one.

    Raises:
        UsageError: a side has no runs, the sides share runs, or no throughput was measured.
        BadFileError: a record cannot be read.
    """
    if results is not None and by is None:
        raise UsageError("--results needs --by", "without --by, A and B are folders")
    if by is not None:
        kept = read_side(store.root_of(results)).runs
        sides = group(kept, by, os.fspath(a)), group(kept, by, os.fspath(b))
    else:
        sides = read_side(Path(a)), read_side(Path(b))
    folders = [{folder.resolve() for folder, _ in side.runs} for side in sides]
    if folders[0] & folders[1]:
        raise UsageError(f"{a} and {b} have runs in common", "pass two disjoint sets of runs")
    comparison = compare_sides(*sides)
    if not comparison.pairs:
        raise UsageError(
            f"neither {comparison.a.name} nor {comparison.b.name} has a measured throughput",
            "only successful runs in noprofile have one: detbench throughput FAMILY",
        )
    return comparison


def verify(results: PathLike | None = None) -> pd.DataFrame:
    """Check every file of every run against the size and sha256 in the run's record.

    Returns:
        One row per file: its path and its problem, which is empty if the file is unchanged. A
        record that cannot be read is a row, too.
    """
    root = store.root_of(results)
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
    """A report page.

    Attributes:
        num_runs: number of runs on the page.
        num_bytes: size of the page.
        left_out: one line per record that could not be read.
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
    """Write one self-contained HTML page about runs; it needs no network and can be mailed.

    Args:
        runs: results folders or folders of single runs; empty for the default results folder.
        output: the page, a new file.
        against: a results folder to compare these runs with.
        on_event: called with `{"event": "found", "runs": 12}`, and with `{"event": "reading",
            "file": "..."}` before each measurement is read.

    Raises:
        UsageError: `output` exists, or a folder does not.
        MissingError: there is no run, or a package that the page needs is not installed.
        BadFileError: a record in `against` cannot be read.
    """
    path = Path(output)
    refuse_existing(path, "--output")
    given = [runs] if isinstance(runs, (str, os.PathLike)) else runs
    found = gather([Path(folder) for folder in given])
    tell = on_event or ignore
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
    data = page.encode("utf-8", "backslashreplace")  # file names may not be valid Unicode
    with new_file(path, "--output") as stream:
        stream.write(data)
    return Page(path, len(found.runs), len(data), found.unreadable)


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
