"""A batch size that cannot fit, which has to be recognised as one."""

from __future__ import annotations

from collections.abc import Iterator

from detbench.checking.bench import Bench
from detbench.checking.claims import Claim, ImpossibleError, judged
from detbench.fitting.largest import largest
from detbench.records.spec import Window
from detbench.sweeping.predicting import asked_of

_BEYOND = 1.3  # times the largest batch size that perhaps fits
_SHORT = Window(start=0, count=1)


def claims(bench: Bench) -> Iterator[Claim]:
    """A training that is too large ends as out of memory, with its cause, and nothing else."""
    scale = bench.scale
    size, expected = scale.too_large, "host_oom" if bench.device == "cpu" else "oom"
    if size is None:
        size = round(_BEYOND * _largest(bench))
    run = bench.run(batch_size=size, window=_SHORT, memory_limit=scale.memory_limit)
    record = run.record
    yield judged(
        f"{scale.model} at batch size {size} is out of memory",
        f"status {expected}",
        f"status {record.status}",
        record.status == expected,
        record.cause or "it fits, against the prediction",
    )


def _largest(bench: Bench) -> int:
    """The largest batch size that perhaps fits, by the prediction."""
    gpu = bench.needed_gpu()
    if gpu.catalogued is None:
        raise ImpossibleError(f"{gpu.name} is not in the catalogue of profiles")
    asked = next(
        (
            asked_of(run.record.spec)
            for run in bench.runs
            if run.record.spec.model == bench.scale.model
        ),
        None,
    )
    if asked is None:
        raise ImpossibleError(f"no run of {bench.scale.model} before this one")
    return largest(asked, gpu.catalogued, ("yes", "borderline"))
