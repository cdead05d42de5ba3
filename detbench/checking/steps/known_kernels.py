"""Three kernels whose use of the cores is known beforehand, under Nsight Compute."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from detbench.checking.bench import Bench
from detbench.checking.claims import Claim, ImpossibleError, failed, judged
from detbench.gpus.counters import ALL
from detbench.launch.local import LocalLauncher
from detbench.readers.counters_file import read_counters
from detbench.records.measured import NO_PERMISSION, why_empty
from detbench.records.modes import MODES
from detbench.records.spec import Window
from detbench.running.attach import attach
from detbench.running.doctor import lacks
from detbench.utilization.core import core_utilization

_ZERO = 0.05  # percent: what is shown as 0.0


class Bound(NamedTuple):
    """A core and the percentages between which its utilization has to lie."""

    core: str
    low: float
    high: float

    def holds(self, percent: float | None) -> bool:
        """Whether the core was measured, and lies between the bounds."""
        return percent is not None and self.low <= percent <= max(self.high, _ZERO)

    def __str__(self) -> str:
        name = self.core
        if self.low > 0:
            return f"{name} > {self.low:.0f} %"
        return f"{name} 0" if self.high == 0 else f"{name} < {self.high:.0f} %"


# By kernel of `training.known_kernels`. A GEMM of this size is bound by its pipe; an elementwise
# kernel by memory, and from GA100 on its half-precision constants come by way of the tensor pipe.
_BOUNDS = {
    "bf16-gemm": (Bound("tensor cycles", 70, 100), Bound("fma", 0, 10)),
    "fp32-gemm": (Bound("fma", 60, 100), Bound("tensor cycles", 0, 0)),
    "fp16-elementwise": (Bound("tensor cycles", 0, 5), Bound("fma", 0, 50)),
}


def claims(bench: Bench) -> Iterator[Claim]:
    """Each known kernel uses the cores that it has to use, and no other."""
    gpu = bench.needed_gpu()
    mode = MODES["nsight"]
    attachment = attach(mode, gpu, 1, Window(start=0, count=1))
    if missing := lacks(mode, attachment, LocalLauncher(), gpu, ""):
        raise ImpossibleError("; ".join(f"{lack.what}: {lack.remedy}" for lack in missing))
    for name, bounds in _BOUNDS.items():
        text, expected = f"the cores of a known kernel: {name}", ", ".join(map(str, bounds))
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            program = [sys.executable, "-m", "detbench.training.known_kernels", name]
            bench.launch(attachment.command(program, folder), folder / "output.log")
            file = folder / attachment.measurement(folder)
            if why := why_empty(file):
                if NO_PERMISSION in why:
                    raise ImpossibleError(why)
                yield failed(text, f"ncu measured nothing: {why}")
                continue
            found = core_utilization(read_counters(file, ALL).table)
        values = {b.core: found.percent.get(b.core) for b in bounds}
        yield judged(
            text,
            expected,
            ", ".join(_shown(core, value) for core, value in values.items()),
            all(bound.holds(values[bound.core]) for bound in bounds),
            "the counters of this chip mean something else than assumed",
        )


def _shown(core: str, value: float | None) -> str:
    return f"{core} {'n/a' if value is None else f'{value:.1f} %'}"
