"""Writes a report of Nsight Compute as JSON: python ncu_rep_dump.py FILE METRIC...

It runs in its own process, because NVIDIA's library crashes on a damaged report.
"""

from __future__ import annotations

import json
import sys

DEVICE = (
    "launch__device_id",
    "device__attribute_compute_capability_major",
    "device__attribute_compute_capability_minor",
)


def main(path: str, metrics: list[str]) -> None:
    """Print a list of launches: the kernel's name, and of `DEVICE` and each metric value and unit.

    null stands for a metric that the launch does not have.
    """
    import ncu_report

    launches = []
    for range_ in ncu_report.load_report(path):
        for action in range_:
            found = [action.metric_by_name(name) for name in (*DEVICE, *metrics)]
            values = [
                None
                if metric is None or not metric.has_value()
                else (metric.as_double(), metric.unit())
                for metric in found
            ]
            launches.append((action.name(action.NameBase_DEMANGLED), values))
    json.dump(launches, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
