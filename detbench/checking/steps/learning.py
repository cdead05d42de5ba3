"""A training that learns: to an accuracy on a GPU, to a falling loss in a rehearsal."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean

from detbench.checking.bench import Bench
from detbench.checking.claims import Claim, judged
from detbench.records.spec import Window

_LEAST_AP = 50.0  # percent; on a CPU the same schedule reaches 60 to 70
_ENDS = 5  # iterations at each end of a rehearsal that are averaged


def claims(bench: Bench) -> Iterator[Claim]:
    """The tiny Mask R-CNN learns the embedded dataset from scratch."""
    scale = bench.scale
    size = scale.learner_batch_size
    if scale.learner_iterations is None:
        run = bench.good_run(
            model=scale.learner,
            batch_size=size,
            window=Window(start=10, count=1),
            purpose="accuracy",
            may_learn=True,
        )
        found = (run.record.accuracy or {}).get("box AP") or 0.0
        yield judged(
            f"{scale.learner} learns the embedded dataset",
            f"box AP > {_LEAST_AP:.0f} %",
            f"box AP {found:.1f} %",
            found > _LEAST_AP,
            "training goes wrong on this machine, however fast it is",
        )
        return
    bench.good_run(
        model=scale.learner,
        batch_size=size,
        window=Window(start=1, count=scale.learner_iterations - 1),
        may_learn=True,
    )
    first, last = mean(bench.losses[:_ENDS]), mean(bench.losses[-_ENDS:])
    yield judged(
        f"{scale.learner} learns: its loss falls",
        f"in {scale.learner_iterations} iterations",
        f"{first:.3g} to {last:.3g}",
        last < first,
        "training goes wrong on this machine, however fast it is",
    )
