"""Monitoring: means of what is there; energy over time, in whatever order the lines stand."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

from tests import builders
from tests.mutation.form import Format, csv_cells, has
from tests.mutation.outcome import Rows


def _of_smi(lines: list[bytes]) -> Any:
    samples: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for line in lines:
        stamp, gpu, _, _, power, throttled = csv_cells(line)
        active = float(throttled == "Active")
        samples[gpu].append((float(stamp[-6:]), float(power.split()[0]), active))
    found = {}
    for gpu, own in samples.items():
        own.sort(key=lambda sample: sample[0])
        counts = list(Counter(time for time, *_ in own).values())
        # As many samples at each time: as many GPUs of one name.
        size = counts[0] if set(counts) == {counts[0]} else 1
        for place in range(size):
            name = gpu if size == 1 else f"{gpu} ({place + 1} of {size})"
            found[name] = _of_gpu(own[place::size])
    return found or None


def _of_gpu(own: list[tuple[float, float, float]]) -> tuple[int, float | None, float]:
    times = [time for time, *_ in own]
    energy = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(own))
    is_known = len(own) > 1 and len(set(times)) == len(times)
    return len(own), energy if is_known else None, 100 * sum(x for *_, x in own) / len(own)


def _gpus(rows: Rows) -> Any:
    return {row["gpu"]: (row["samples"], row["energy (J)"], row["throttled (%)"]) for row in rows}


def _of_dmon(lines: list[bytes]) -> Any:
    powers = [float(line.split()[1]) for line in lines]
    busy = [float(line.split()[3]) for line in lines]
    if not lines:
        return None
    return {"power (W)": sum(powers) / len(powers), "utilization (%)": sum(busy) / len(busy)}


def _of_dcgmi(lines: list[bytes]) -> Any:
    known: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        *entity, _, busy, _, _ = line.decode().split()
        known[" ".join(entity)].append(100 * float(busy))
    return {gpu.removeprefix("GPU "): sum(own) / len(own) for gpu, own in known.items()} or None


def _active(rows: Rows) -> Any:
    return {row["gpu"]: row["mean"] for row in rows if row["quantity"] == "SM active (%)"}


def _of_pmon(lines: list[bytes]) -> Any:
    """The sums over all moments, which lost lines do not change."""
    sums: dict[str, float] = defaultdict(float)
    for line in lines:
        gpu, _, _, busy, *_ = line.decode().split()
        sums[gpu] += 0 if busy == "-" else float(busy)
    return dict(sums) or None


def _totals(rows: Rows) -> Any:
    own = [row for row in rows if row["quantity"] == "utilization (%)"]
    return {row["gpu"]: (row["mean"] or 0) * row["samples"] for row in own}


def _means(rows: Rows) -> Any:
    found = {}
    for quantity in ("power (W)", "utilization (%)"):
        own = [row for row in rows if row["quantity"] == quantity and row["samples"]]
        samples = sum(row["samples"] for row in own)
        found[quantity] = own and sum(row["mean"] * row["samples"] for row in own) / samples
    return found


FORMATS = (
    Format(
        "nvidia-smi",
        ("monitor-util", "--by", "gpu"),
        builders.SMI.encode(),
        has(b"2023"),
        _of_smi,
        _gpus,
    ),
    Format(
        "dmon",
        ("monitor-util", "--by", "quantity"),
        builders.DMON.encode(),
        lambda line: line.startswith(b" "),
        _of_dmon,
        _means,
        ends_in="number",
    ),
    Format(
        "dmon with dates",
        ("monitor-util", "--by", "quantity"),
        builders.DMON_DATED.encode(),
        lambda line: line.startswith(b" "),
        lambda lines: _of_dmon([b" ".join(line.split()[2:]) for line in lines]),
        _means,
        ends_in="number",
        may_refuse=True,
    ),
    Format(
        "dcgmi",
        ("monitor-util", "--by", "quantity"),
        builders.DCGMI.encode(),
        has(b"GPU 0", b"GPU-I"),
        _of_dcgmi,
        _active,
        ends_in="number",
    ),
    Format(
        "pmon",
        ("monitor-util", "--by", "quantity"),
        builders.PMON.encode(),
        lambda line: line.startswith(b" "),
        _of_pmon,
        _totals,
        is_ordered=True,
        ends_in="name",
    ),
)
