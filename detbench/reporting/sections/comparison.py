"""The page's runs compared with those of another folder."""

from __future__ import annotations

from collections.abc import Callable

from detbench.comparison.comparing import TITLES, compare, lines, tables
from detbench.comparison.sides import Side
from detbench.records.store import RECORD
from detbench.reporting.labels import several, windows
from detbench.reporting.measurements import Runs
from detbench.reporting.parts import Basis, Block, Exhibit, LeftOut, Section

_DENOMINATORS = {
    "verdicts": "B / A is a ratio of geometric means over the repeats (Welch's interval on logs)",
    "time": "ms per iteration, the mean over the repeats of each side",
    "memory": "MiB at the peak of the newest run of each side",
    "soft numbers": "none: each value comes from one run",
}


def against(baseline: Side) -> Callable[[Runs], Section | LeftOut]:
    """A function that makes the section comparing a page's runs, as B, with `baseline`, as A."""
    title = f"Comparison with {baseline.name}"

    def comparison(runs: Runs) -> Section | LeftOut:
        found = compare(baseline, Side("this page", tuple(runs.items)))
        shown = tables(found)
        if not shown:
            return LeftOut(title, "neither side has a successful run in noprofile")
        both = (*baseline.runs, *runs.items)
        exhibits = [
            Exhibit(
                TITLES[name],
                table,
                Basis(
                    windows([record for _, record in both if record.spec.mode == "noprofile"]),
                    _DENOMINATORS[name],
                    f"{several(len(baseline.runs), 'run')} in A, {len(runs.items)} in B",
                ),
                sources=[folder / RECORD for folder, _ in both] if name == "verdicts" else [],
            )
            for name, table in shown.items()
        ]
        return Section(title, exhibits, [Block("Notes", lines(found))])

    return comparison
