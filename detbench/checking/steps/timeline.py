"""The busy time of a trace, by the suite and by a count that shares no line with it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from detbench.checking.bench import Bench
from detbench.checking.claims import Claim, judged
from detbench.readers.kineto import read_kineto
from detbench.readers.timeline import CPU
from detbench.utilization.compute import by_device
from detbench.utilization.window import devices

_TOLERANCE = 0.002  # of the busy time: the trace's times are rounded to nanoseconds
_STEP = "ProfilerStep#"


def claims(bench: Bench) -> Iterator[Claim]:
    """The busy share of mode torch is that which its trace holds."""
    scale = bench.scale
    run = bench.good_run("torch", batch_size=scale.batch_sizes[0], window=scale.profiled)
    spec = run.record.spec
    trace = run.folder / f"torch_bs{spec.batch_size}.pt.trace.json.gz"
    timeline = read_kineto(trace)
    chosen = devices(timeline)[:1]
    table = by_device(timeline, chosen)
    bench.tables["Compute utilization"] = table
    ours, window = table["busy (ms)"].item(), table["window (ms)"].item()
    union, total = counted(trace, "cpu_op" if chosen == [CPU] else "kernel")
    yield judged(
        "compute utilization is the share of the trace in which kernels ran",
        f"within {100 * _TOLERANCE:.1f} % of a plain count",
        f"{ours:.3f} and {union:.3f} of {window:.1f} ms",
        abs(ours - union) <= _TOLERANCE * union,
    )
    if chosen != [CPU]:  # operators contain one another, kernels do not
        yield judged(
            "kernels that overlap count once",
            "busy time is not above the sum of the kernels' own",
            f"{ours:.3f} of {total:.3f} ms",
            ours <= total * (1 + _TOLERANCE),
        )


def counted(trace: Path, category: str) -> tuple[float, float]:
    """The union and the sum of the profiled steps' events of a category, in ms."""
    with gzip.open(trace) as stream:
        events = json.load(stream)["traceEvents"]
    steps = [
        e
        for e in events
        if str(e.get("name")).startswith(_STEP) and e.get("cat") == "user_annotation"
    ]
    begin = min(e["ts"] for e in steps)
    end = max(e["ts"] + e["dur"] for e in steps)
    spans = sorted(
        (max(begin, e["ts"]), min(end, e["ts"] + e["dur"]))
        for e in events
        if e.get("cat") == category and e["ts"] < end and e["ts"] + e["dur"] > begin
    )
    union, covered = 0.0, begin
    for start, stop in spans:
        union += max(0.0, stop - max(start, covered))
        covered = max(covered, stop)
    return union / 1e3, sum(stop - start for start, stop in spans) / 1e3
