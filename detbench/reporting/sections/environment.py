"""The environment of the runs, and the commands that repeat them."""

from __future__ import annotations

import json
from collections import Counter

import pandas as pd

from detbench.records.store import RECORD
from detbench.reporting.labels import several
from detbench.reporting.measurements import Runs
from detbench.reporting.parts import Basis, Block, Exhibit, LeftOut, Section
from detbench.reporting.reproduce import command

_TITLE = "Environment, and how to reproduce"
_MOST_VALUES = 8  # most values listed per setting
_OF_ONE_RUN = ("continues", "retries")


def environment(runs: Runs) -> Section | LeftOut:
    """The environment in the runs' records, and the commands that repeat the runs."""
    if not runs.items:
        return LeftOut(_TITLE, "no run was found")
    rows = []
    told: dict[str, Counter[str]] = {}
    for record in runs.records:
        for name, value in {"GPU profile": record.spec.gpu_profile, **record.environment}.items():
            if name not in _OF_ONE_RUN and value not in ("", None):
                told.setdefault(name, Counter())[_text(value)] += 1
    for name, values in told.items():
        for value, count in values.most_common(_MOST_VALUES):
            rows.append({"setting": name, "value": value, "runs": count})
        if (left := len(values) - _MOST_VALUES) > 0:
            rows.append({"setting": name, "value": f"and {left} other values", "runs": None})
    table = pd.DataFrame(rows).astype({"runs": "Int64"})
    first, last = runs.records[0].started, runs.records[-1].ended
    statuses = Counter(record.status for record in runs.records)
    exhibit = Exhibit(
        "Environment",
        table,
        Basis(
            f"runs from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC",
            f"{several(len(runs.items), 'run')}; records that lack a setting are not counted",
            ", ".join(f"{count} {status}" for status, count in statuses.most_common()),
        ),
        sources=[folder / RECORD for folder, _ in runs.items],
    )
    return Section(_TITLE, [exhibit], [_commands(runs)])


def _commands(runs: Runs) -> Block:
    own = [record for record in runs.records if not record.spec.probe]
    found = Counter(command(record) for record in own)
    commits = Counter(str(r.environment.get("detbench_commit") or "unknown") for r in own)
    facts = [
        f"{several(len(found), 'distinct command')} for {several(len(own), 'run')}"
        " (repeats are listed once).",
        "Commits of detbench (+ marks uncommitted changes): "
        + ", ".join(f"{commit}, {several(count, 'run')}" for commit, count in commits.items()),
    ]
    if len(own) < len(runs.items):
        probes = several(len(runs.items) - len(own), "probe")
        facts.append(f"{probes} of memory: detbench fit --measure repeats them.")
    return Block("Commands", list(found), facts)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
