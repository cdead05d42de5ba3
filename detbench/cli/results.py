"""`results`: the runs in a results folder, listed, exported, queried and verified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from detbench.cli.completion import of_families, of_gpu_profiles, of_models, of_modes
from detbench.cli.options import format_option, notes_of, output_option, show
from detbench.errors import BadFileError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from detbench.records.store import Run


# Column of the table for programs -> its header in print.
_LISTED = {
    "model": "model",
    "batch_size": "batch size",
    "mode": "mode",
    "gpu_profile": "GPU profile",
    "status": "status",
    "images_per_second": "images/s",
    "box_ap": "box AP",
    "mask_ap": "mask AP",
    "started": "started (UTC)",
    "run": "run",
}
_STATUSES = ("ok", "oom", "host_oom", "timeout", "failed", "interrupted")


@click.command()
@click.option(
    "--results",
    "root",
    type=click.Path(path_type=Path, file_okay=False),
    help="The results folder.  [default: results/, in a container /scratch/measurements]",
)
@click.option("--family", shell_complete=of_families, help="Only runs of this family.")
@click.option("--model", shell_complete=of_models, help="Only these models, comma-separated.")
@click.option("--mode", shell_complete=of_modes, help="Only these modes, comma-separated.")
@click.option(
    "--gpu-profile",
    shell_complete=of_gpu_profiles,
    help="Only these GPU profiles, comma-separated.",
)
@click.option("--status", type=click.Choice(_STATUSES), help="Only runs with this status.")
@click.option("--show", "shown", metavar="RUN", help="Show one run, by its folder or its name.")
@click.option("--sql", metavar="SELECT", help="Query the table `runs`; needs duckdb.")
@click.option("--verify", is_flag=True, help="Check every file against its run's record (sha256).")
@format_option(more=("parquet",))
@output_option
def results(
    root: Path | None,
    shown: str | None,
    sql: str | None,
    verify: bool,
    style: str,
    output: Path | None,
    **wanted: str | None,
) -> None:
    """List the runs in a results folder, or export, query or verify them.

    CSV, JSON, Parquet and the table `runs` of --sql have a column for every value in a record
    (docs/formats.md, "The table of runs"). The filters apply to --sql, too.

    \b
    Examples:
      detbench results --model mask_rcnn_R_18_FPN_tiny --status ok
      detbench results --show mask_rcnn_R_18_FPN_tiny_bs4_memory_20261124T120000Z
      detbench results --format parquet --output runs.parquet
      detbench results --sql "select model, max(images_per_second) from runs group by model"
      detbench results --verify
    """
    from detbench.api import kept

    if (shown is not None) + (sql is not None) + verify > 1:
        raise UsageError("--show, --sql and --verify exclude each other", "pass one of them")
    if style == "parquet" and (shown is not None or verify or output is None):
        raise UsageError(
            "--format parquet writes the table of runs to a file",
            "pass --output FILE, and neither --show nor --verify",
        )
    if verify:
        _print_checked(kept.verify(root), root, style, output)
    elif shown is not None:
        _show_run(kept.load(shown, root), style, output)
    else:
        table = kept.runs(root, sql=sql, **wanted)
        _print_runs(table, style, output, is_query=sql is not None)


def _print_runs(table: pd.DataFrame, style: str, output: Path | None, *, is_query: bool) -> None:
    if style == "parquet":
        from detbench.reporting.run_query import write_parquet

        assert output is not None  # checked above
        write_parquet(table, output)
        for note in notes_of([table]):
            click.echo(note, err=True)
        return
    if style in ("table", "md") and not is_query:
        table = table[list(_LISTED)].rename(columns=_LISTED)
        table = table.assign(run=[Path(run).name for run in table["run"]])
        table = table.drop(columns=[c for c in ("box AP", "mask AP") if table[c].isna().all()])
    show({"runs": _with_plain_times(table)}, style, output)


def _with_plain_times(table: pd.DataFrame) -> pd.DataFrame:
    """Times as text, such as 2026-11-24T12:00:00 in UTC, and durations as `0 days 00:01:00`."""
    import pandas as pd

    plain = table.copy()
    for name in table:
        if pd.api.types.is_datetime64_any_dtype(table[name]):
            moments = pd.to_datetime(table[name], utc=True)
            plain[name] = moments.dt.strftime("%Y-%m-%dT%H:%M:%S")
        elif pd.api.types.is_timedelta64_dtype(table[name]):
            plain[name] = table[name].astype("str")
    return plain


def _show_run(run: Run, style: str, output: Path | None) -> None:
    import pandas as pd

    from detbench.reporting.run_table import run_table

    _, record = run
    table = _with_plain_times(run_table([run]))
    if style == "csv":
        show({"run": table}, style, output)
        return
    facts = [(n, v) for n, v in table.iloc[0].items() if not pd.isna(v)]
    around = [(name, str(value)) for name, value in record.environment.items()]
    columns = ["what", "value"]
    left = [(m.path, m.bytes, m.sha256) for m in record.measurements]
    tables = [
        ("Run", table if style == "json" else pd.DataFrame(facts, columns=columns)),
        ("Environment", pd.DataFrame(around, columns=columns)),
        ("Measurements", pd.DataFrame(left, columns=["measurement", "bytes", "sha256"])),
    ]
    for title, each in tables:
        each.attrs["title"] = title
    if style == "json":  # the same names in every run
        show({title.lower(): each for title, each in tables}, style, output)
    else:
        show({title: each for title, each in tables if len(each)}, style, output)


def _print_checked(
    checked: pd.DataFrame, root: Path | None, style: str, output: Path | None
) -> None:
    """Print the files with a problem, and fail if there are any.

    Raises:
        BadFileError: for the first file with a problem.
    """
    from detbench.records.store import root_of

    bad = checked[checked["problem"] != ""]
    if len(bad) or style not in ("table", "md"):
        show({"files": bad}, style, output)
    else:
        click.echo(f"{root_of(root)}: {len(checked):,} files are unchanged since their runs")
    if len(bad):
        more = f" ({len(bad)} files)" if len(bad) > 1 else ""
        first = bad.iloc[0]
        raise BadFileError(first["file"], f"{first['problem']}{more}", "restore it from a copy")
