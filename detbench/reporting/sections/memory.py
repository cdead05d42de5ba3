"""What memory was used for: at the peak of each run, and phase by phase."""

from __future__ import annotations

from typing import Any

import pandas as pd

from detbench.gpus.profiles import find
from detbench.records.spec import RunRecord
from detbench.reporting.drawing import MOST_ROWS, PALETTE, bars, hover, newest, plain, rows_layout
from detbench.reporting.labels import labels, several, windows
from detbench.reporting.measurements import MemoryTables, Reading, Runs
from detbench.reporting.parts import Basis, Exhibit, LeftOut, Section

_TITLE = "Memory"
_MIB = 1 << 20
_CATEGORIES = (
    "weights", "gradients", "optimizer state", "activations", "inputs", "temporaries", "buffers",
    "unattributed",
)  # fmt: skip
_COLORS = dict(zip(_CATEGORIES, PALETTE, strict=False))
_MOST_PHASED = 12  # runs whose phases are drawn
_DENOMINATOR = "MiB are 2^20 bytes; the categories of a snapshot add up to what the device shows"


def memory(runs: Runs) -> Section | LeftOut:
    """A stack a run at its peak against the capacity, and a folded one of the phases."""
    found = runs.memory
    if not found.read:
        return LeftOut(_TITLE, "no run in mode memory ended well", found.problems)
    names = labels(found.records)
    shown = list(zip(names, found.read, strict=True))
    phased = [_phases(name, reading) for name, reading in shown[-_MOST_PHASED:]]
    return Section(_TITLE, [_peaks(shown), *phased], problems=found.problems)


def _peaks(shown: list[tuple[str, Reading[MemoryTables]]]) -> Exhibit:
    rows = [
        {
            "run": name,
            "category": row["category"],
            "memory (MiB)": row["memory (MiB)"],
            "capacity (MiB)": _capacity(reading.record)[0],
            "capacity is": _capacity(reading.record)[1],
        }
        for name, reading in shown
        for _, row in reading.value.categories.iterrows()
    ]
    table = pd.DataFrame(rows).astype({"capacity (MiB)": "float64"})
    drawn = shown[-MOST_ROWS:]
    wide = table.pivot_table(index="run", columns="category", values="memory (MiB)", sort=False)
    wide = wide.loc[[name for name, _ in drawn]]
    totals = wide.sum(axis=1)
    names = [str(name) for name in wide.index]
    traces: list[dict[str, Any]] = []
    for category in sorted(wide.columns, key=_place):
        values = [float(v) for v in wide[category].fillna(0)]
        hovers = [
            hover(name, f"{category}: {value:,.1f} MiB of {total:,.1f} at the peak")
            for name, value, total in zip(names, values, totals, strict=True)
        ]
        color = {"color": _color(str(category))}
        traces.append(bars(str(category), values, hovers, marker=color))
    traces.append(_marks("peak", list(totals), names, "diamond", 9))
    capacities = [_capacity(reading.record) for _, reading in drawn]
    if any(size is not None for size, _ in capacities):
        sizes = [size for size, _ in capacities]
        traces.append(_marks("capacity", sizes, [why for _, why in capacities], "line-ns-open", 20))
    unknown = sum(size is None for size, _ in capacities)
    return Exhibit(
        "At the peak, by category, against the capacity",
        table,
        Basis(windows([r.record for _, r in shown]), _DENOMINATOR, several(len(shown), "run")),
        sources=[reading.file for _, reading in shown],
        traces=traces,
        layout=rows_layout(names, "MiB", barmode="relative"),
        notes=[
            *([f"The capacity of {several(unknown, 'run')} is not known."] if unknown else []),
            *newest(len(shown)),
        ],
    )


def _marks(name: str, values: list[Any], words: list[str], symbol: str, size: int) -> Any:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": values,
        "y": list(range(len(values))),
        "marker": {"symbol": symbol, "size": size, "color": "#d02f2f", "line": {"width": 3}},
        "hoverinfo": "text",
        "hovertext": [
            hover(word, f"{name}: {value:,.1f} MiB") if value is not None else ""
            for word, value in zip(words, values, strict=True)
        ],
    }


def _phases(name: str, reading: Reading[MemoryTables]) -> Exhibit:
    table = reading.value.phases
    names = [str(c).removesuffix(" (MiB)") for c in table if str(c).endswith(" (MiB)")]
    categories = sorted((name for name in names if name != "total"), key=_place)
    moments = [
        row["phase"] if pd.isna(row["iteration"]) else f"{row['iteration']} {row['phase']}"
        for _, row in table.iterrows()
    ]
    places = list(range(len(moments)))
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "name": plain(category),
            "x": places,
            "y": [float(v) for v in table[f"{category} (MiB)"]],
            "marker": {"color": _color(category)},
            "hoverinfo": "text",
            "hovertext": [
                hover(moment, f"{category}: {value:,.1f} MiB")
                for moment, value in zip(moments, table[f"{category} (MiB)"], strict=True)
            ],
        }
        for category in categories
    ]
    peak = int(table["total (MiB)"].argmax())
    total = float(table["total (MiB)"].iloc[peak])
    traces.append(
        {
            "type": "scatter",
            "mode": "markers+text",
            "name": "peak",
            "x": [peak],
            "y": [total],
            "text": [f"peak {total:,.0f} MiB"],
            "textposition": "top center",
            "cliponaxis": False,
            "marker": {"symbol": "diamond", "size": 9, "color": "#d02f2f"},
            "hoverinfo": "text",
            "hovertext": [hover(moments[peak], f"peak: {total:,.1f} MiB")],
        }
    )
    capacity, why = _capacity(reading.record)
    if capacity is not None:
        traces.append(
            {
                "type": "scatter", "mode": "lines", "name": "capacity",
                "x": [-0.5, len(moments) - 0.5], "y": [capacity] * 2,
                "line": {"color": "#d02f2f", "dash": "dash"},
                "hoverinfo": "text", "hovertext": [hover(why, f"{capacity:,.1f} MiB")] * 2,
            }
        )  # fmt: skip
    every = max(1, len(moments) // 24)
    return Exhibit(
        f"Phase by phase: {name}",
        table,
        Basis(windows([reading.record]), _DENOMINATOR, several(len(moments), "snapshot")),
        sources=[reading.file],
        traces=traces,
        layout={
            "height": 420,
            "barmode": "relative",
            "xaxis": {
                "title": {"text": "iteration and phase"},
                "tickvals": places[::every],
                "ticktext": [plain(moment) for moment in moments[::every]],
                "automargin": True,
            },
            "yaxis": {"title": {"text": "MiB at the phase's peak"}, "automargin": True},
        },
        folded=True,
    )


def _place(category: str) -> tuple[int, str]:
    """Where a category stands: what is known here first, the rest by its name."""
    known = category in _CATEGORIES
    return (_CATEGORIES.index(category) if known else len(_CATEGORIES), category)


def _color(category: str) -> str:
    return _COLORS.get(category, PALETTE[-1])


def _capacity(record: RunRecord) -> tuple[float | None, str]:
    """What the run could use at most, in MiB, and what says so."""
    environment = record.environment
    limits = environment.get("limits") or {}
    if record.spec.device == "cuda":
        if size := environment.get("gpu_memory_bytes"):
            return size / _MIB, f"what CUDA shows of {record.spec.gpu_profile}"
        if profile := find(record.spec.gpu_profile):
            return profile.memory_bytes / _MIB, f"{profile.name} in the catalogue"
    elif size := limits.get("memory"):
        return size / _MIB, "the run's memory limit"
    return None, "not known"
