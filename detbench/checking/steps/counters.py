"""Nsight Compute over one iteration of a whole model."""

from __future__ import annotations

from collections.abc import Iterator

from detbench.checking.bench import Bench
from detbench.checking.claims import Claim, ImpossibleError, judged
from detbench.gpus.counters import ALL, CORES
from detbench.readers.counters_file import read_counters
from detbench.records.spec import Window
from detbench.utilization.core import by, core_utilization

_KERNEL_SECONDS = 0.05  # of Nsight Compute; estimates are 0.01 to 0.05
_START_SECONDS = 40.0  # until the window, and to write the table
_LEAST_KERNELS = 500  # an iteration of R50-FPN has 1,539 computing operators in detectron2


def claims(bench: Bench) -> Iterator[Claim]:
    """Every core has a plausible share, and the tensor cores work in half precision."""
    bench.needed_gpu()
    most = int((bench.seconds() - _START_SECONDS) / _KERNEL_SECONDS)
    if most < _LEAST_KERNELS:
        raise ImpossibleError("too little time for a whole model; pass more --minutes")
    run = bench.good_run(
        "nsight",
        batch_size=bench.scale.batch_sizes[0],
        window=Window(start=5, count=1),
        precision="amp",
        launch_count=most,
    )
    file = run.folder / f"nsight_bs{run.record.spec.batch_size}.csv"
    launches = read_counters(file, ALL).table
    found = core_utilization(launches)
    bench.tables["Core utilization"] = by(launches, "file")
    bench.tables["Core utilization by kernel class"] = by(launches, "class")
    yield judged(
        f"Nsight Compute sees an iteration of {bench.scale.model}",
        f"at least {_LEAST_KERNELS} kernels",
        f"{found.num_kernels:,} kernels",
        found.num_kernels >= _LEAST_KERNELS,
    )
    values = {core: found.percent[core] for core in CORES}
    yield judged(
        "core utilization is a share",
        "fma, tensor and sfu between 0 and 100 %, n/a only with a reason",
        ", ".join(f"{core} {_shown(value)}" for core, value in values.items()),
        all(
            found.reason.get(core) if value is None else 0 <= value <= 100
            for core, value in values.items()
        ),
    )
    tensor = found.percent["tensor cycles"]
    yield judged(
        "the tensor cores work in half precision",
        "tensor cycles above 0",
        _shown(tensor),
        tensor is not None and tensor > 0,
    )


def _shown(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1f} %"
