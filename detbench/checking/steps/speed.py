"""The speed of one model at two batch sizes and in every precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from detbench.checking.bench import Bench
from detbench.checking.claims import Claim, failed, judged
from detbench.errors import RunFailedError
from detbench.records.spec import RunRecord

_NOISE = 0.95  # of two speeds that should at least be equal: repeats differ by a few per cent


def claims(bench: Bench) -> Iterator[Claim]:
    """More images a batch, and fewer bits a number, are not slower; half precision needs less."""
    scale = bench.scale
    found: dict[tuple[str, int], RunRecord] = {}
    small, large = scale.batch_sizes
    for precision in scale.precisions:
        try:
            for size in scale.batch_sizes:
                run = bench.good_run(batch_size=size, window=scale.window, precision=precision)
                found[precision, size] = run.record
                bench.tables["Throughput"] = pd.DataFrame(map(_row, found.values()))
        except RunFailedError as error:
            yield failed(f"{precision}: batch sizes {small} and {large} train", str(error))
            continue
        yield _not_slower(
            f"{precision}: batch size {large} is not slower than {small}",
            _speed(found[precision, large]),
            _speed(found[precision, small]),
        )
    full = found.get(("fp32", large))
    if full and (shorter := found.get(("tf32", large))):
        yield _not_slower(
            f"tf32 is not slower than fp32 at batch size {large}", _speed(shorter), _speed(full)
        )
    if full and (half := found.get(("amp", large))):
        less, more = _allocated(half), _allocated(full)
        yield judged(
            f"amp needs less memory than fp32 at batch size {large}",
            "its peak is below",
            f"{less / 2**30:.2f} of {more / 2**30:.2f} GiB",
            less < more,
        )


def _not_slower(text: str, speed: float, reference: float) -> Claim:
    return judged(
        text,
        f"at least {_NOISE} of it",
        f"{speed:.4g} and {reference:.4g} images/s",
        speed >= _NOISE * reference,
        "look at the clocks and the throttling in monitoring.csv, and whether others use the GPU",
    )


def _speed(record: RunRecord) -> float:
    assert record.throughput is not None  # the run ended well
    return record.throughput.images_per_second


def _allocated(record: RunRecord) -> int:
    return (record.memory or {})["allocated peak"]


def _row(record: RunRecord) -> dict[str, Any]:
    spec, speed, memory = record.spec, record.throughput, record.memory or {}
    assert speed is not None  # the run ended well
    allocated = memory.get("allocated peak")
    return {
        "model": spec.model,
        "precision": spec.precision,
        "batch size": spec.batch_size,
        "images/s": speed.images_per_second,
        "iteration median (ms)": 1e3 * speed.iteration_seconds_median,
        "data wait (%)": 100 * speed.data_wait_share,
        "allocated peak (GiB)": allocated and allocated / 2**30,
        "iterations": str(spec.window),
    }
