"""The tables of columns in docs/formats.md, made of the schemas that the readers have.

python -m tests.unit.doc_tables    writes them into the page
"""

from __future__ import annotations

import re

from detbench.readers import (
    memory_csv,
    memory_snapshot,
    monitoring,
    ncu_csv,
    nvprof_metrics,
    training_history,
)
from detbench.readers import timeline as timelines
from detbench.readers.schema import Schema
from detbench.reporting.run_table import RUNS
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "formats.md"
_KINDS = {
    "str": "text", "category": "text", "object": "text", "int64": "integer", "Int64": "integer",
    "float64": "number", "float32": "number", "datetime64[us]": "moment",
}  # fmt: skip
_RECORDINGS: dict[str, Schema] = {
    "timeline: activities": timelines.ACTIVITIES,
    "timeline: ranges": timelines.RANGES,
    "timeline: launches": timelines.LAUNCHES,
    "summary: kernels": timelines.SUMS,
    "counters: launches": ncu_csv.SCHEMA,
    "counters: levels": nvprof_metrics.LEVELS,
    "memory: parts": memory_csv.SCHEMA,
    "memory: allocator": memory_snapshot.ALLOCATOR,
    "memory: events": memory_snapshot.SCHEMA,
    "monitoring: samples": monitoring.SCHEMA,
    "training history: reports": training_history.REPORTS,
    "training history: evaluations": training_history.EVALUATIONS,
}


def runs() -> str:
    """The table of runs."""
    return _table("column", {"": RUNS})


def recordings() -> str:
    """The tables of recordings, one below the other."""
    return _table("table | column", _RECORDINGS)


def _table(heads: str, schemas: dict[str, Schema]) -> str:
    lines = [f"| {heads} | kind | meaning |", "|---" * (heads.count("|") + 3) + "|"]
    for name, schema in schemas.items():
        for number, column in enumerate(schema.columns):
            first = f"| {name if number == 0 else ''} " if name else ""
            kind = _KINDS[column.dtype]
            lines.append(f"{first}| `{column.name}` | {kind} | {column.meaning} |")
    return "\n".join(line.replace("|  |", "| |") for line in lines)


def page() -> str:
    """The page with both tables as they are now."""
    text = PAGE.read_text()
    for head, table in (("column", runs()), (r"table \| column", recordings())):
        text = re.sub(rf"^\| {head} \| kind .*?\n(?!\|)", lambda _, t=table: t + "\n", text,
                      count=1, flags=re.MULTILINE | re.DOTALL)  # fmt: skip
    return text


if __name__ == "__main__":
    PAGE.write_text(page())
