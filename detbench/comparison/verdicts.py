"""Faster, slower or neither: pairs the runs and judges their repeats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from detbench.comparison.conditions import Facts, differences, surroundings, workload
from detbench.comparison.sides import Side
from detbench.records.spec import Throughput
from detbench.records.store import Run
from detbench.utilization.repeats import Ratio, ratio

Outcome = Literal[
    "faster", "slower", "no difference shown", "cannot be told", "not comparable",
    "only in A", "only in B",
]  # fmt: skip


@dataclass(frozen=True)
class Repeats:
    """Successful runs of one side, without a profiler, that differ only in their seed."""

    runs: tuple[Run, ...]
    workload: Facts
    surroundings: Facts

    @property
    def throughputs(self) -> list[Throughput]:
        """The throughput of each."""
        return [record.throughput for _, record in self.runs if record.throughput is not None]

    @property
    def speeds(self) -> list[float]:
        """images/s of each."""
        return [throughput.images_per_second for throughput in self.throughputs]


@dataclass(frozen=True)
class Verdict:
    """The verdict on one set of repeats of A and one of B.

    Attributes:
        a, b: None if only the other side has such repeats.
        ratio: of B's images/s to A's; None if they are not compared.
        because: why there is no ratio or no interval, such as differences in the work.
        changed: surroundings that differ, by name, with the values in A and in B.
    """

    outcome: Outcome
    a: Repeats | None
    b: Repeats | None
    ratio: Ratio | None = None
    because: str = ""
    changed: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def either(self) -> Repeats:
        """A's repeats, or B's if A has none."""
        found = self.a or self.b
        assert found is not None
        return found


def verdicts(a: Side, b: Side) -> list[Verdict]:
    """The verdicts on every model and batch size of two sides.

    Sets of repeats of the same work are paired, those with the most surroundings in common first,
    and newer ones before older ones. Sets of a model that remain on both sides are not comparable;
    the others are on one side only. Different GPU profiles are paired only if each side has a
    single one.
    """
    rest_a, rest_b = _repeats(a.runs), _repeats(b.runs)
    profiles = [{r.surroundings["gpu_profile"] for r in rest} for rest in (rest_a, rest_b)]
    crossing = all(len(found) == 1 for found in profiles)

    def may_meet(x: Repeats, y: Repeats) -> bool:
        return crossing or x.surroundings["gpu_profile"] == y.surroundings["gpu_profile"]

    def same_work(x: Repeats, y: Repeats) -> int | None:
        if x.workload != y.workload or not may_meet(x, y):
            return None
        return len(differences(x.surroundings, y.surroundings))

    def same_model(x: Repeats, y: Repeats) -> int | None:
        if any(x.workload[name] != y.workload[name] for name in ("family", "model")):
            return None
        if not may_meet(x, y) or any(r.workload in paired for r in (x, y)):
            return None
        return len(differences(x.workload, y.workload))

    found = [_judged(x, y) for x, y in _pairs(rest_a, rest_b, same_work)]
    paired = [verdict.either.workload for verdict in found]
    found += [_not_comparable(x, y) for x, y in _pairs(rest_a, rest_b, same_model)]
    compared_a, compared_b = [v.a for v in found if v.a], [v.b for v in found if v.b]
    found += [Verdict("only in A", x, None, because=_alone(x, compared_a, b)) for x in rest_a]
    found += [Verdict("only in B", None, y, because=_alone(y, compared_b, a)) for y in rest_b]
    return sorted(found, key=_order)


def _repeats(runs: Sequence[Run]) -> list[Repeats]:
    """The sets of repeats among the runs, newest first."""
    found: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: run[1].started, reverse=True):
        _, record = run
        if record.status != "ok" or record.spec.mode != "noprofile" or record.throughput is None:
            continue
        key = (*workload(record).items(), *surroundings(record).items())
        found.setdefault(key, []).append(run)
    return [
        Repeats(tuple(own), workload(own[0][1]), surroundings(own[0][1])) for own in found.values()
    ]


def _pairs(
    rest_a: list[Repeats], rest_b: list[Repeats], distance: Callable[[Repeats, Repeats], int | None]
) -> list[tuple[Repeats, Repeats]]:
    """Pair the nearest and remove them from both lists; a distance of None is too far."""
    far = [
        (apart, i, j)
        for i, x in enumerate(rest_a)
        for j, y in enumerate(rest_b)
        if (apart := distance(x, y)) is not None
    ]
    taken: dict[int, int] = {}
    for _, i, j in sorted(far):
        if i not in taken and j not in taken.values():
            taken[i] = j
    pairs = [(rest_a[i], rest_b[j]) for i, j in taken.items()]
    rest_a[:] = [x for i, x in enumerate(rest_a) if i not in taken]
    rest_b[:] = [y for j, y in enumerate(rest_b) if j not in taken.values()]
    return pairs


def _judged(a: Repeats, b: Repeats) -> Verdict:
    found = ratio(b.speeds, a.speeds)
    outcome: Outcome = "no difference shown"
    because = ""
    if found.low is None or found.high is None:
        outcome, because = "cannot be told", f"no interval: {found.why_none}"
    elif found.low > 1:
        outcome = "faster"
    elif found.high < 1:
        outcome = "slower"
    changed = differences(a.surroundings, b.surroundings)
    return Verdict(outcome, a, b, found, because, changed)


def _not_comparable(a: Repeats, b: Repeats) -> Verdict:
    unlike = differences(a.workload, b.workload)
    because = "; ".join(f"{name}: {x} in A, {y} in B" for name, (x, y) in unlike.items())
    changed = differences(a.surroundings, b.surroundings)
    return Verdict("not comparable", a, b, because=because, changed=changed)


def _alone(own: Repeats, compared: Sequence[Repeats], other: Side) -> str:
    """Why a set of repeats has no counterpart, if that is known; else empty."""
    wanted = [own.workload[name] for name in ("family", "model", "batch size", "processes")]
    for _, record in reversed(other.runs):
        spec = record.spec
        size = [spec.family, spec.model, str(spec.batch_size), str(spec.world_size)]
        if record.status != "ok" and spec.mode == "noprofile" and size == wanted:
            return f"the other side's run failed: {record.status}: {record.cause}"
    for repeats in compared:
        if repeats.workload == own.workload:
            unlike = differences(own.surroundings, repeats.surroundings)
            facts = ", ".join(f"{name} {value}" for name, (value, _) in unlike.items())
            return f"not the one compared: it has {facts}"
    return ""


def _order(verdict: Verdict) -> tuple[str, str, int, int]:
    work = verdict.either.workload
    return work["family"], work["model"], int(work["processes"]), int(work["batch size"])
