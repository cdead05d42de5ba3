"""The memory that `fit` predicts beside the memory that a training used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from detbench.checking.bench import Bench
from detbench.checking.claims import Claim, ImpossibleError, failed, impossible, judged
from detbench.errors import RunFailedError
from detbench.fitting.need import Need
from detbench.readers.memory_csv import read_memory_csv
from detbench.records.spec import Window
from detbench.records.store import Run
from detbench.sweeping.predicting import need_of
from detbench.utilization import memory

_TOLERANCE = 0.15  # of the published peaks of the model zoo, the largest error was 14.8 %
_SHORT = Window(start=1, count=3)
_BEYOND_TENSORS = ("workspace", "fragmentation", "CUDA context")
_OF_THE_DEVICE = ("fragmentation", "CUDA context")  # not in the allocator's own count


def claims(bench: Bench) -> Iterator[Claim]:
    """Predicted and measured peaks agree for every model and batch size."""
    rows: list[dict[str, Any]] = []
    cut = ""
    for sized in bench.scale.predicted:
        for size in sized.batch_sizes:
            try:
                run = _measured(bench, sized.family, sized.model, size)
            except ImpossibleError as lack:
                cut = str(lack)
                break
            except RunFailedError as error:
                yield failed(f"{sized.model} at batch size {size} trains", str(error))
                continue
            need = need_of(run.record.spec)
            if need is not None:
                rows.append(_row(run, need))
            bench.tables["Predicted and measured memory"] = pd.DataFrame(rows)
    text = f"fit predicts the peak of {len(rows)} trainings"
    if not rows:
        yield impossible(text, cut or "no model of the check has a footprint")
        return
    worst = max(rows, key=lambda row: abs(row["error (%)"]))
    yield judged(
        text,
        f"each within {100 * _TOLERANCE:.0f} %",
        f"{worst['error (%)']:+.1f} % at most, {worst['model']} batch size {worst['batch size']}",
        abs(worst["error (%)"]) <= 100 * _TOLERANCE,
        "see the table of predicted and measured memory",
    )
    if cut:
        wanted = sum(len(sized.batch_sizes) for sized in bench.scale.predicted)
        yield impossible(f"the other {wanted - len(rows)} predictions", cut)


def _measured(bench: Bench, family: str, model: str, size: int) -> Run:
    """A run of this model, an earlier one of the check if there is one."""
    mode = "noprofile" if bench.device == "cuda" else "memory"  # a CPU counts no allocated bytes
    for run in bench.runs:
        spec = run.record.spec
        if (spec.model, spec.batch_size, spec.mode, spec.precision, run.record.status) == (
            model, size, mode, "fp32", "ok",
        ):  # fmt: skip
            return run
    return bench.good_run(mode, family=family, model=model, batch_size=size, window=_SHORT)


def _row(run: Run, need: Need) -> dict[str, Any]:
    """On a GPU what the allocator holds, on a CPU what the tensors hold, at the peak."""
    spec = run.record.spec
    if spec.device == "cuda":
        measured = (run.record.memory or {})["allocated peak"]
        left_out: tuple[str, ...] = _OF_THE_DEVICE
    else:
        parts = memory.peak(
            read_memory_csv(run.folder / "memory_csv_data" / f"memory_bs{spec.batch_size}.csv")
        )
        measured = int(parts["bytes"].where(memory.is_tracked(parts), 0).sum())
        left_out = _BEYOND_TENSORS
    predicted = sum(part.middle for name, part in need.parts.items() if name not in left_out)
    return {
        "model": spec.model,
        "batch size": spec.batch_size,
        "predicted (GiB)": predicted / 2**30,
        "measured (GiB)": measured / 2**30,
        "error (%)": 100 * (predicted / measured - 1),
    }
