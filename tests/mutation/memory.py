"""Memory: the parts of a snapshot add up to its total."""

from __future__ import annotations

import gzip
import json
import pickle
from collections import defaultdict
from typing import Any

from tests import builders
from tests.mutation.form import Format, csv_cells, has
from tests.mutation.outcome import Rows


def _of_memory(lines: list[bytes]) -> Any:
    snapshots: dict[tuple[str, str], dict[str, list[int]]] = {}
    for line in lines:
        iteration, phase, category, _, size = csv_cells(line)
        own = snapshots.setdefault((iteration, phase), defaultdict(list))
        own[category].append(int(size))
    best: dict[str, float] = {}
    for own in snapshots.values():
        (total,) = own.pop("total", [0])[:1] if len(own.get("total", [])) == 1 else (None,)
        if total is None or total != sum(map(sum, own.values())):
            return None
        parts = {category: sum(sizes) / 2**20 for category, sizes in own.items()}
        best = max(best, parts, key=lambda found: sum(found.values()))
    return best or None


_CURVE = (
    "weights", "buffers", "gradients", "optimizer state", "activations", "inputs", "temporaries",
    "others", "unattributed",
)  # fmt: skip


def _of_curve(lines: list[bytes]) -> Any:
    rows = [dict(zip(_CURVE, map(int, csv_cells(line)[4:13]), strict=True)) for line in lines]
    if not rows:
        return None
    best = max(rows, key=lambda row: sum(row.values()) - row["unattributed"])
    return {category: size / 2**20 for category, size in best.items() if size}


_MB = 1e6 / 2**20


def _of_tbd(lines: list[bytes]) -> Any:
    rows = [[int(cell) for cell in csv_cells(line)] for line in lines]
    if not rows or len({(row[0], row[1]) for row in rows}) < len(rows):
        return None
    top = max(rows, key=lambda row: row[2])
    parts = {"activations": top[5], "weights": top[6], "gradients": top[9]}
    rest = top[2] - sum(parts.values())
    parts["unattributed" if rest >= 0 else "seen but freed"] = rest
    return {category: size * _MB for category, size in parts.items()}


_CATEGORIES = {0: "weights", 4: "activations", 5: "gradients", 7: "unattributed"}
_EVENTS = ",\n".join(map(json.dumps, builders.MEMORY_TIMELINE))
_TIMELINE = f"[\n{_EVENTS}\n]\n".encode()


def _of_timeline(lines: list[bytes]) -> Any:
    held: dict[str, int] = dict.fromkeys(_CATEGORIES.values(), 0)
    best: dict[str, int] = {}
    for line in lines:
        *_, size, category = json.loads(line.rstrip(b",\n"))
        held[_CATEGORIES[category]] += size
        if min(held.values()) < 0:
            return None
        best = max(best, dict(held), key=lambda found: sum(found.values()))
    return {category: size / 2**20 for category, size in best.items() if size} or None


def _categories(rows: Rows) -> Any:
    return {row["category"]: row["memory (MiB)"] for row in rows}


FORMATS = (
    Format(
        "memory",
        ("memory-util",),
        builders.MEMORY.encode(),
        has(b"3,"),
        _of_memory,
        _categories,
    ),
    Format(
        "memory curve",
        ("memory-util",),
        builders.MEMORY_CURVE.encode(),
        has(b"3,"),
        _of_curve,
        _categories,
    ),
    Format(
        "tbd memory",
        ("memory-util",),
        builders.TBD_MEMORY.encode(),
        lambda line: line[:1].isdigit(),
        _of_tbd,
        _categories,
        ends_in="number",
    ),
    Format(
        "memory timeline",
        ("memory-util",),
        _TIMELINE,
        has(b", "),
        _of_timeline,
        _categories,
        suffix=".json",
        is_ordered=True,
        may_refuse=True,
    ),
    Format(
        "memory timeline gzipped",
        ("memory-util",),
        gzip.compress(_TIMELINE, mtime=0),
        has(),
        lambda _: _of_timeline([line for line in _TIMELINE.splitlines() if b", " in line]),
        _categories,
        suffix=".raw.json.gz",
    ),
    Format(
        "memory snapshot",
        ("memory-util", "--by", "allocator"),
        pickle.dumps(builders.SNAPSHOT, 4),
        has(),
        lambda _: ((1000 + 2500 + 500) / 2**20, 1536 / 2**20, 4096 / 2**20),
        lambda rows: tuple(
            rows[0][f"{name} (MiB)"] for name in ("peak", "active at end", "reserved at end")
        ),
        suffix=".pickle",
    ),
)
