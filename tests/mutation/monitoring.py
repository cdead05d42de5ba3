"""Monitoring: means of what is there; energy over time, in whatever order the lines stand."""

from __future__ import annotations

from collections import defaultdict
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
)
