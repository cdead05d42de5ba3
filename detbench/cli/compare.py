"""`compare`: whether one set of runs is faster than another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from detbench.cli.options import format_option, print_table
from detbench.errors import RunFailedError

if TYPE_CHECKING:
    import pandas as pd

    from detbench.comparison.comparing import Comparison
    from detbench.comparison.verdicts import Verdict


def _percent(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """A click callback: `5%` or `5` as a number."""
    if value is None:
        return None
    try:
        percent = float(value.removesuffix("%"))
    except ValueError:
        percent = math.nan
    if not 0 <= percent < 100:
        raise click.BadParameter(f"'{value}' is not a percentage, such as 5%", context, parameter)
    return percent


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--by",
    type=click.Choice(["image", "driver", "gpu-profile", "commit"]),
    help="Compare runs of one results folder; A and B are values of this property, or prefixes.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    help="The results folder for --by.  [default: results/, in a container /scratch/measurements]",
)
@click.option(
    "--fail-if-slower",
    metavar="PERCENT",
    callback=_percent,
    help="Exit with 4 if the whole interval of a ratio shows B slower by more than this.",
)
@click.option(
    "--if-unknown",
    type=click.Choice(["fail", "pass"]),
    default="fail",
    show_default=True,
    help="What --fail-if-slower does if A has a figure but there is no ratio with an interval:"
    " fail exits with 4, too.",
)
@format_option()
def compare(
    a: str,
    b: str,
    by: str | None,
    results: Path | None,
    fail_if_slower: float | None,
    if_unknown: str,
    style: str,
) -> None:
    """Say whether B is faster than A, per model and batch size.

    A and B are results folders, GPU profiles' folders in them, or folders of single runs. Runs
    that differ only in their seed are repeats; two or more on each side give the ratio of images/s
    a 95 % interval. Only runs of the same work are compared: same window, precision, dataset,
    weights and batch size. Differences are explained as far as they were measured: by waiting for
    data always, by kernel classes and idle time if both sides have a run in mode nvprof or torch,
    by memory categories if both have one in mode memory. CSV has only the verdicts, JSON
    everything.

    \b
    Examples:
      detbench compare results-before results-after
      detbench compare results-before results-after --fail-if-slower 5%
      detbench compare 535.104 550.54 --by driver --results results
      detbench compare A100D-1-10C A100D-2-20C --by gpu-profile
    """
    from detbench.api.kept import compare as compare_sides

    comparison = compare_sides(a, b, by=by, results=results)
    _print(comparison, style)
    if fail_if_slower is not None:
        _fail_if_slower(comparison, fail_if_slower, if_unknown)


def _print(comparison: Comparison, style: str) -> None:
    from detbench.comparison.comparing import lines, tables

    found = tables(comparison)
    if style == "json":
        click.echo(_json(comparison, found))
    elif style == "csv":
        print_table(found["verdicts"], style)
    else:
        found.pop("soft numbers", None)  # in print, the lines below summarize them
        for table in found.values():
            print_table(table, style)
            click.echo()
        bullet = "- " if style == "md" else ""
        click.echo("\n".join(bullet + line for line in lines(comparison)))


def _json(comparison: Comparison, found: dict[str, pd.DataFrame]) -> str:
    """One object: the tables by name, and the content of the printed lines."""
    import json

    from detbench.comparison.comparing import changes
    from detbench.reporting.tables import rows_of

    document = {
        "a": comparison.a.name,
        "b": comparison.b.name,
        **{name: rows_of(table) for name, table in found.items()},
        "changed": [{"name": n, "a": a, "b": b} for n, a, b in changes(comparison.pairs)],
        "notes": list(comparison.notes),
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _fail_if_slower(comparison: Comparison, percent: float, if_unknown: str) -> None:
    """Fail if anything is slower by more than `percent`, for use in CI.

    Raises:
        RunFailedError: something is slower, or a verdict is unknown and unknowns fail.
    """
    from detbench.comparison.gate import gate

    found = gate(comparison, percent)
    if found.slower:
        ratio = found.slower[0].ratio
        assert ratio is not None
        raise RunFailedError(
            f"slower by more than {percent:g} %: {_named(found.slower[0])}: {ratio.value:.3g}"
            f" times A (95 %: {ratio.low:.3g} to {ratio.high:.3g}){_more(found.slower)}"
        )
    if not found.unknown:
        return
    first = found.unknown[0]
    line = f"cannot be told: {_named(first)}: {first.because or first.outcome}"
    if if_unknown == "fail":
        raise RunFailedError(
            f"{line}{_more(found.unknown)}",
            "measure both with --repeats 3, or pass --if-unknown pass",
        )
    click.echo(line + _more(found.unknown), err=True)


def _named(verdict: Verdict) -> str:
    work = verdict.either.workload
    return f"{work['model']} batch size {work['batch size']}"


def _more(found: Sequence[Verdict]) -> str:
    return f" ({len(found)} in all)" if len(found) > 1 else ""
