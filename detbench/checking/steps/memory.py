"""The levels of memory, which have to contain one another, and what no tensor explains."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from detbench.checking.bench import Bench
from detbench.checking.claims import Claim, judged
from detbench.readers.memory_csv import read_memory_csv
from detbench.readers.memory_curve import UNATTRIBUTED
from detbench.utilization import memory

# By device: the levels in `timeline_bs<N>.csv`, each of which contains the one before.
_LEVELS = {
    "cuda": ("requested", "allocated", "reserved", "device used"),
    "cpu": ("resident",),
}
_OF_THE_ALLOCATOR = ("(inside operators)", "(rounded up by the allocator)")
_MOST_UNKNOWN = 0.1  # of the allocated memory


def claims(bench: Bench) -> Iterator[Claim]:
    """Mode memory's parts add up to what the device shows."""
    scale = bench.scale
    run = bench.good_run("memory", batch_size=scale.batch_sizes[0], window=scale.profiled)
    folder = run.folder / "memory_csv_data"
    size = run.record.spec.batch_size
    curve = pd.read_csv(folder / f"timeline_bs{size}.csv")
    outside = curve["unattributed (bytes)"]
    levels = [curve[f"{name} (bytes)"] for name in _LEVELS[bench.device]]
    inner = [curve["total (bytes)"] - outside, *levels[:-1]]
    wrong = sum((low > high).sum() for low, high in zip(inner, levels, strict=True))
    names = " <= ".join(("tensors", *_LEVELS[bench.device]))
    yield judged(
        "every level of memory contains the one before",
        f"{names} in every row",
        f"{wrong} of {len(curve)} rows differ",
        wrong == 0,
    )
    parts = read_memory_csv(folder / f"memory_bs{size}.csv")
    table = memory.by(parts, "category")
    bench.tables["Memory at the peak"] = table
    peak = memory.peak(parts)
    total = (curve["total (bytes)"] == peak["bytes"].sum()).any()
    yield judged(
        "the parts at the peak add up to a moment of the curve",
        "to the byte",
        f"{peak['bytes'].sum() / 2**20:,.1f} MiB",
        bool(total),
    )
    if bench.device == "cuda":
        unknown = peak[(peak["category"] == UNATTRIBUTED) & peak["module"].isin(_OF_THE_ALLOCATOR)]
        share = unknown["bytes"].sum() / (
            peak.loc[peak["category"] != UNATTRIBUTED, "bytes"].sum() + unknown["bytes"].sum()
        )
        yield judged(
            "tensors explain the allocated memory",
            f"all but {100 * _MOST_UNKNOWN:.0f} %",
            f"all but {100 * share:.2f} %",
            share <= _MOST_UNKNOWN,
        )
