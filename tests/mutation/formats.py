"""The formats that get mutated: a small file of each, and what is right for what is left of it.

To add a format, add a `Format` to `FORMATS`. Its `answer` is told in plain Python from the lines
that hold data, so that it shares nothing with the readers.
"""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import make_ncu_log

from detbench import counters
from tests import builders
from tests.mutation.outcome import Rows


@dataclass(frozen=True)
class Format:
    """A format and one small valid file of it.

    Attributes:
        name: what the tests are called by.
        verb: the verb that reads it, with the options of the table that `shown` looks at.
        content: the file.
        is_data: whether a line holds data. The other lines are headers and words around it.
        answer: what the table says when exactly these lines of data, in this order, are left of
            the file; None where that has to be refused.
        shown: the same figures out of the verb's rows.
        is_ordered: whether the order of the lines has a meaning.
        leaves_out: whether a last line that was cut is left out, not refused.
        enough: what a line that was cut must hold to count.
        ends_in: what an unquoted cell at the end of a line is. A `number` may go on behind the end
            of a file, so such a file is refused; a `name` that is cut costs no figure.
        may_refuse: whether a file without some of its lines is refused also where it need not be.
    """

    name: str
    verb: tuple[str, ...]
    content: bytes
    is_data: Callable[[bytes], bool]
    answer: Callable[[list[bytes]], Any]
    shown: Callable[[Rows], Any]
    suffix: str = ".csv"
    is_ordered: bool = False
    leaves_out: bool = False
    enough: bytes = b""
    ends_in: str = ""
    may_refuse: bool = False

    @property
    def lines(self) -> list[bytes]:
        """The lines, each with its end."""
        return self.content.splitlines(keepends=True)

    @property
    def is_text(self) -> bool:
        """Whether it has lines at all."""
        return self.content[:2] != b"\x1f\x8b" and not self.content.startswith(b"SQLite")

    def of(self, lines: Iterable[bytes]) -> Any:
        """The answer for those of `lines` that hold data and are whole."""
        whole = {line.rstrip(b"\n") for line in self.lines if self.is_data(line)}
        return self.answer([line for line in lines if line.rstrip(b"\n") in whole])


def _cells(line: bytes) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line.decode()]))]


def _has(*words: bytes) -> Callable[[bytes], bool]:
    return lambda line: any(word in line for word in words)


# Nsight Compute: utilization is weighted by cycles; a launch has every metric or none is told.

_PIPES = {counters.METRICS[core][0]: core for core in counters.CORES}


def _weighted(launches: Iterable[dict[str, float | None]]) -> dict[str, float | None] | None:
    found: dict[str, float | None] = {}
    rows = list(launches)
    for metric, core in _PIPES.items():
        known = [(row[counters.CYCLES], row[metric]) for row in rows if row.get(metric) is not None]
        total = sum(cycles for cycles, _ in known)
        found[core] = sum(c * p for c, p in known) / total if known else None
    return found if any(v is not None for v in found.values()) else None


def _of_ncu_long(lines: list[bytes]) -> Any:
    launches: dict[str, dict[str, float | None]] = defaultdict(dict)
    for line in lines:
        cells = _cells(line)
        launches[cells[0]][cells[-3]] = float(cells[-1].replace(",", ""))
    seen = {metric for launch in launches.values() for metric in launch}
    complete = all(set(launch) == seen for launch in launches.values())
    return _weighted(launches.values()) if complete and counters.CYCLES in seen else None


_NCU_WIDE = builders.NCU_WIDE + '"2","4711","python","add","1","2.50","10.00"\n'


def _of_ncu_wide(lines: list[bytes]) -> Any:
    launches: dict[str, dict[str, float | None]] = {}
    fma = counters.METRICS["fma"][0]
    for line in lines:
        cells = _cells(line)
        share = None if cells[-1] == "n/a" else float(cells[-1])
        launches[cells[0]] = {counters.CYCLES: 1000 * float(cells[-2]), fma: share}
    return _weighted(launches.values())


def _cores(rows: Rows) -> Any:
    return {core: rows[0][f"{core} (%)"] for core in counters.CORES}


# Timelines: the busy share by counting the microseconds in which something ran.


def _busy(kernels: list[tuple[int, int]], window: tuple[int, int] | None = None) -> float:
    ran = {tick for start, duration in kernels for tick in range(start, start + duration)}
    first, end = window or (min(ran), max(ran) + 1)
    return 100 * len(ran & set(range(first, end))) / (end - first)


_NVPROF_TRACE = builders.NVPROF_TRACE + '5.000000,250.000000,1,"GTX (0)","8","relu [1110]"\n'


def _of_nvprof_trace(lines: list[bytes]) -> Any:
    rows = [_cells(line) for line in lines]
    if len(set(lines)) < len(lines):  # the number behind a name tells each call from the others
        return None
    kernels = [(round(1000 * float(r[0])), round(float(r[1]))) for r in rows if "CUDA" not in r[-1]]
    return {"0": (_busy(kernels), len(kernels))} if kernels else None


_EVENTS = [
    builders.event("ProfilerStep#1", 0, 60, "user_annotation"),
    builders.event("ProfilerStep#2", 60, 40, "user_annotation"),
    builders.event("sgemm", 10, 20),
    builders.event("conv", 20, 20, stream=8),
    builders.event("sgemm", 80, 20),
    builders.event("add", 0, 50, device=1),
    builders.event("Memcpy HtoD", 50, 10, "gpu_memcpy"),
]
_KINETO = "\n".join(
    [
        '{"schemaVersion": 1, "traceEvents": [',
        *(json.dumps(event) + "," for event in _EVENTS),
        '{"ph": "i", "name": "a mark", "ts": 1}',
        '], "traceName": "t"}',
        "",
    ]
).encode()


def _of_kineto(lines: list[bytes]) -> Any:
    events = [json.loads(line.rstrip(b",\n")) for line in lines]
    steps = [e for e in events if e["cat"] == "user_annotation"]
    window = None
    if steps:
        window = (min(e["ts"] for e in steps), max(e["ts"] + e["dur"] for e in steps))
    kernels: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for event in (e for e in events if e["cat"] == "kernel"):
        kernels[str(event["args"]["device"])].append((event["ts"], event["dur"]))

    def inside(ran: list[tuple[int, int]]) -> int:
        return len([1 for s, d in ran if window is None or (s + d > window[0] and s < window[1])])

    return {d: (_busy(ran, window), inside(ran)) for d, ran in kernels.items()} or None


def _devices(rows: Rows) -> Any:
    return {row["device"]: (row["busy (%)"], row["kernels"]) for row in rows}


def _database(script: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.sqlite"
        connection = sqlite3.connect(path)
        connection.executescript(script)
        connection.close()
        return path.read_bytes()


# What the versions add to the tables of 2020.
NSYS = {
    "2020": builders.NSYS_TABLES,
    "2022": builders.NSYS_TABLES
    + "create table EXPORT_META_DATA (name text, value text);"
    + "alter table CUPTI_ACTIVITY_KIND_KERNEL add column mangledName int;",
    "2024": builders.NSYS_TABLES
    + "create table META_DATA_EXPORT (name text, value text);"
    + "create table TARGET_INFO_GPU (id int, name text);"
    + "alter table CUPTI_ACTIVITY_KIND_KERNEL add column graphNodeId int;"
    + "alter table CUPTI_ACTIVITY_KIND_KERNEL add column greenContextId int;",
}

# Summaries: every row's share of the time has to fit the times that are there.


def _of_sums(rows: list[tuple[float, float, int, bool]]) -> Any:
    """Rows are (share, time, calls, whether a kernel)."""
    total = sum(time for _, time, *_ in rows)
    if any(abs(share - 100 * time / total) > 0.1 for share, time, *_ in rows):
        return None
    return sorted((calls, time) for _, time, calls, is_kernel in rows if is_kernel) or None


def _of_nsys_sums(lines: list[bytes]) -> Any:
    rows = [_cells(line) for line in lines]
    return _of_sums([(float(r[0]), float(r[1]) / 1e6, int(r[2]), True) for r in rows])


def _of_nvprof_sums(lines: list[bytes]) -> Any:
    rows = [_cells(line) for line in lines]
    return _of_sums([(float(r[1]), float(r[2]), int(r[3]), "CUDA" not in r[-1]) for r in rows])


def _totals(rows: Rows) -> Any:
    return sorted((row["count"], row["total (ms)"]) for row in rows)


# Memory: the parts of a snapshot add up to its total.


def _of_memory(lines: list[bytes]) -> Any:
    snapshots: dict[tuple[str, str], dict[str, list[int]]] = {}
    for line in lines:
        iteration, phase, category, _, size = _cells(line)
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


def _categories(rows: Rows) -> Any:
    return {row["category"]: row["memory (MiB)"] for row in rows}


# Monitoring: means of what is there; energy over time, in whatever order the lines stand.


def _of_smi(lines: list[bytes]) -> Any:
    samples: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for line in lines:
        stamp, gpu, _, _, power, throttled = _cells(line)
        active = float(throttled == "Active")
        samples[gpu].append((float(stamp[-6:]), float(power.split()[0]), active))
    found = {}
    for gpu, own in samples.items():
        own.sort()
        energy = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(own))
        share = 100 * sum(active for *_, active in own) / len(own)
        found[gpu] = (len(own), energy if len(own) > 1 else None, share)
    return found or None


def _gpus(rows: Rows) -> Any:
    return {row["gpu"]: (row["samples"], row["energy (J)"], row["throttled (%)"]) for row in rows}


def _of_dmon(lines: list[bytes]) -> Any:
    powers = [float(line.split()[1]) for line in lines]
    busy = [float(line.split()[3]) for line in lines]
    if not lines:
        return None
    return {"power (W)": sum(powers) / len(powers), "utilization (%)": sum(busy) / len(busy)}


def _means(rows: Rows) -> Any:
    wanted = ("power (W)", "utilization (%)")
    return {row["quantity"]: row["mean"] for row in rows if row["quantity"] in wanted}


# Training logs.

_METRICS = "".join(
    json.dumps({"iteration": i, "time": t, "data_time": 0.1, "total_loss": 1.0}) + "\n"
    for i, t in ((19, 1.0), (39, 0.5), (59, 1.5), (79, 0.75))
).encode()


def _of_metrics(lines: list[bytes]) -> Any:
    reports = {e["iteration"]: e["time"] for e in map(json.loads, lines)}
    times = sorted(reports.values())
    if not times:
        return None
    middle = (times[(len(times) - 1) // 2] + times[len(times) // 2]) / 2
    return (20 * len(times), middle, 4 * len(times) / sum(times))


def _speed(rows: Rows) -> Any:
    (row,) = rows
    return (row["iterations"], row["s / iteration (median)"], row["images/s"])


_LOG = builders.DETECTRON2_LOG + (
    "[11/24 10:02:10 d2.utils.events]:  eta: 0:01:07  iter: 59  total_loss: 1.2    time: 0.2500  "
    "last_time: 0.31  data_time: 0.0070  last_data_time: 0.0065   lr: 0.0156  max_mem: 3000M\n"
)


def _of_log(lines: list[bytes]) -> Any:
    """Means are over all iterations but the first two: the last one says it all."""
    words = [line.split() for line in dict.fromkeys(lines)]
    if not words:
        return None
    last = [float(w[w.index(b"last_time:") + 1]) for w in words]
    last.sort()
    middle = (last[(len(last) - 1) // 2] + last[len(last) // 2]) / 2
    iterations = int(words[-1][words[-1].index(b"iter:") + 1]) + 1 - 2
    mean = float(words[-1][words[-1].index(b"time:") + 1])
    return (iterations, middle, 4 / mean)


_COMPUTE = ("compute-util", "--by", "device")
_SUMS = ("compute-util", "--by", "kernel")
_THROUGHPUT = ("throughput", "--warmup", "0", "--batch-size", "4")

FORMATS = (
    Format(
        "ncu long",
        ("core-util", "--by", "file"),
        ("\n".join(make_ncu_log.lines(3)) + "\n").encode(),
        _has(b'"4711"'),
        _of_ncu_long,
        _cores,
    ),
    Format(
        "ncu wide",
        ("core-util", "--by", "file"),
        _NCU_WIDE.encode(),
        _has(b'"4711"'),
        _of_ncu_wide,
        _cores,
    ),
    Format(
        "nvprof trace",
        _COMPUTE,
        _NVPROF_TRACE.encode(),
        _has(b"GTX"),
        _of_nvprof_trace,
        _devices,
    ),
    Format(
        "nsys sums",
        _SUMS,
        builders.NSYS_SUMS.encode(),
        _has(b"gemm", b"relu"),
        _of_nsys_sums,
        _totals,
        ends_in="name",
    ),
    Format(
        "nvprof sums",
        _SUMS,
        builders.NVPROF_SUMS.encode(),
        _has(b"GPU activities"),
        _of_nvprof_sums,
        _totals,
    ),
    Format(
        "memory",
        ("memory-util",),
        builders.MEMORY.encode(),
        _has(b"3,"),
        _of_memory,
        _categories,
    ),
    Format(
        "nvidia-smi",
        ("monitor-util", "--by", "gpu"),
        builders.SMI.encode(),
        _has(b"2023"),
        _of_smi,
        _gpus,
    ),
    Format(
        "dmon",
        ("monitor-util",),
        builders.DMON.encode(),
        lambda line: line.startswith(b" "),
        _of_dmon,
        _means,
        ends_in="number",
    ),
    Format(
        "kineto",
        _COMPUTE,
        _KINETO,
        _has(b'"args"'),
        _of_kineto,
        _devices,
        suffix=".json",
        may_refuse=True,
    ),
    Format(
        "kineto gzipped",
        _COMPUTE,
        gzip.compress(_KINETO, mtime=0),
        _has(b'"args"'),
        lambda _: _of_kineto([line for line in _KINETO.splitlines() if b'"args"' in line]),
        _devices,
        suffix=".json.gz",
    ),
    *(
        Format(
            f"nsys {version}",
            _COMPUTE,
            _database(script),
            _has(),
            lambda _: {"0": (30, 2), "1": (60, 1)},
            _devices,
            suffix=".sqlite",
        )
        for version, script in NSYS.items()
    ),
    Format(
        "nvprof file",
        _COMPUTE,
        _database(builders.NVPROF_TABLES),
        _has(),
        lambda _: {"0": (50, 2)},
        _devices,
        suffix=".nvvp",
    ),
    Format(
        "metrics.json",
        _THROUGHPUT,
        _METRICS,
        _has(b"iteration"),
        _of_metrics,
        _speed,
        suffix=".json",
        is_ordered=True,
        leaves_out=True,
    ),
    Format(
        "log.txt",
        _THROUGHPUT,
        _LOG.encode(),
        _has(b" iter: "),
        _of_log,
        _speed,
        suffix=".txt",
        is_ordered=True,
        leaves_out=True,
        enough=b" lr: ",
    ),
)
