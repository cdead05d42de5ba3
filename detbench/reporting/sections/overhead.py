"""How much each mode slows training down."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from detbench.records.store import RECORD
from detbench.reporting.charts.parts import (
    MOST_ROWS,
    PALETTE,
    Chart,
    bars,
    hover,
    newest,
    rows_layout,
)
from detbench.reporting.labels import facts, labels, several, windows
from detbench.reporting.measurements import Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section
from detbench.reporting.repeated import Repeats, repeated

_TITLE = "Profiler overhead"
_SLOWDOWN = "slowdown (x)"


def overhead(runs: Runs) -> Section | LeftOut:
    """One bar per mode, model and batch size that also ran in noprofile."""
    plain_runs = _most(repeated(runs, "noprofile"))
    modes = dict.fromkeys(r.spec.mode for r in runs.records if r.spec.mode != "noprofile")
    pairs = [
        (mode, group, plain_runs[_key(group)])
        for mode in modes
        for group in repeated(runs, mode)
        if _key(group) in plain_runs
    ]
    if not pairs:
        why = "no model and batch size succeeded both in noprofile and in another mode"
        return LeftOut(_TITLE, why)
    names = labels([group.runs[-1][1] for _, group, _ in pairs])
    table = pd.DataFrame(
        {
            "run": name,
            "mode": mode,
            "images/s": group.mean,
            "images/s in noprofile": reference.mean,
            _SLOWDOWN: reference.mean / group.mean if group.mean else None,
            "runs": len(group.runs),
            "runs in noprofile": len(reference.runs),
        }
        for name, (mode, group, reference) in zip(names, pairs, strict=True)
    ).astype({_SLOWDOWN: "float64"})
    drawn = table.tail(MOST_ROWS)
    hovers = [
        hover(
            row["run"],
            f"{row[_SLOWDOWN]:.3g} times slower in {row['mode']}",
            f"{row['images/s']:.4g} images/s, {row['images/s in noprofile']:.4g} in noprofile",
        )
        for _, row in drawn.iterrows()
    ]
    used = [run for _, group, reference in pairs for run in (*group.runs, *reference.runs)]
    exhibit = Exhibit(
        "Images/s in noprofile / images/s in the mode",
        table,
        Basis(
            windows([record for _, record in used]),
            "each throughput covers its own window; profiled windows are shorter",
            f"{several(len(pairs), 'pair')} of {several(len(used), 'run')}",
        ),
        sources=list(dict.fromkeys(folder / RECORD for folder, _ in used)),
        chart=Chart(
            [bars("slowdown", drawn[_SLOWDOWN].tolist(), hovers, marker={"color": PALETTE[4]})],
            rows_layout(
                drawn["run"].tolist(),
                "times slower than noprofile (1 = no overhead)",
                showlegend=False,
            ),
        ),
        notes=newest(len(table)),
    )
    return Section(_TITLE, [exhibit])


def _most(groups: list[Repeats]) -> Mapping[tuple[object, ...], Repeats]:
    """Among groups that differ only in their window, the one with most runs, then the longest."""
    groups = sorted(groups, key=lambda g: (len(g.runs), g.runs[0][1].spec.window.count))
    return {_key(group): group for group in groups}


def _key(group: Repeats) -> tuple[object, ...]:
    return tuple(facts(group.runs[0][1]).items())
