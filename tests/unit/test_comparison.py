"""Two sets of runs side by side: who is faster, by what, and what is not to be trusted."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from detbench.cli.commands import command, run_command
from detbench.comparison.conditions import differences, surroundings
from detbench.comparison.parts import Profile, profile, time_parts
from detbench.comparison.sides import Run, Side
from detbench.comparison.soft import soft_numbers
from detbench.comparison.verdicts import Repeats, verdicts
from detbench.errors import BadFileError, RunFailedError, UsageError
from detbench.readers.monitoring import read_monitoring
from detbench.readers.timeline import ACTIVITIES, NO_RANGES, Timeline
from detbench.records import store
from detbench.records.spec import RunRecord, RunSpec, Throughput, Window
from tests.builders import NCU_WIDE

NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
FAST, SLOW = (10.0, 10.1, 10.2), (8.0, 8.1, 8.2)  # images/s


def run(speed: float | None, number: int = 0, **facts: Any) -> Run:
    """A run of that many images/s; `environment`, `status`, `memory`, `wait` or the spec's keys."""
    environment = {"torch": "2.9", "dataset_sha256": "d" * 64, **facts.pop("environment", {})}
    told = {k: facts.pop(k) for k in ("status", "cause", "memory", "measurements") if k in facts}
    wait, p90 = facts.pop("wait", 0.1), facts.pop("p90", 1.1)
    energy = facts.pop("energy", None)
    keys = {"batch_size": 4, "window": Window(start=5, count=20), "num_iterations": 25, **facts}
    spec = RunSpec.model_validate(
        {"family": "maskrcnn", "framework": "detectron2", "model": "m", "mode": "noprofile",
         "device": "cuda", "gpu_profile": "A100", "dataset": "coco", "weights": "zoo",
         "seed": number, **keys}
    )  # fmt: skip
    images = spec.window.count * spec.batch_size
    record = RunRecord(
        spec=spec,
        spec_sha256=spec.digest(),
        command=("python",),
        exit_code=0,
        started=NOON + timedelta(minutes=number),
        ended=NOON + timedelta(minutes=number + 1),
        environment=environment,
        throughput=None if speed is None else Throughput(
            images_per_second=speed,
            images=images,
            seconds=images / speed,
            num_iterations=spec.window.count,
            first_iteration=spec.window.start,
            batch_size=spec.batch_size,
            iteration_seconds_median=spec.batch_size / speed,
            iteration_seconds_p10=spec.batch_size / speed,
            iteration_seconds_p90=p90 * spec.batch_size / speed,
            data_wait_share=wait,
            energy_joules=energy,
        ),
        **{"status": "ok", **told},
    )  # fmt: skip
    return Path(f"run-{number}-{speed}"), record


def runs(speeds: tuple[float, ...], **facts: Any) -> list[Run]:
    return [run(speed, number, **facts) for number, speed in enumerate(speeds)]


def told(a: list[Run], b: list[Run]) -> list[tuple[str, str, str]]:
    found = verdicts(Side("A", tuple(a)), Side("B", tuple(b)))
    return [(v.outcome, v.either.workload["batch size"], v.because) for v in found]


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        (SLOW, FAST, "faster"),
        (FAST, SLOW, "slower"),
        (FAST, (10.2, 10.0, 10.1), "no difference shown"),
        ((8.0, 12.0), (9.0, 13.0), "no difference shown"),
    ],
)
def test_repeats_decide(a: tuple[float, ...], b: tuple[float, ...], outcome: str) -> None:
    assert told(runs(a), runs(b)) == [(outcome, "4", "")]


def test_one_repeat_cannot_tell() -> None:
    assert told(runs(FAST), runs((20.0,))) == [("cannot be told", "4", "no interval: 1 repeat")]


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"precision": "amp"}, "precision: fp32 in A, amp in B"),
        ({"window": Window(start=5, count=10)}, "window: [5, 25) in A, [5, 15) in B"),
        ({"framework": "torchvision"}, "framework: detectron2 in A, torchvision in B"),
        ({"batch_size": 8}, "batch size: 4 in A, 8 in B"),
        ({"environment": {"dataset_sha256": "e" * 64}}, "dataset: dddddddddddd in A, eeeeeeee"),
        ({"overrides": {"INPUT.MIN_SIZE_TRAIN": 8}}, 'overrides: none in A, {"INPUT.MIN_SIZE_T'),
    ],
)
def test_other_work_is_not_comparable(facts: dict[str, Any], why: str) -> None:
    [(outcome, _, because)] = told(runs(FAST), runs(FAST, **facts))
    assert outcome == "not comparable"
    assert because.startswith(why)
    assert ";" not in because


def test_another_name_of_the_same_dataset_is_the_same_work() -> None:
    assert told(runs(FAST), runs(FAST, dataset="/data/coco"))[0][0] == "no difference shown"


def test_what_one_side_alone_has_is_listed() -> None:
    only = [*runs(FAST), *runs(SLOW, model="n"), *runs(SLOW, batch_size=8)]
    failed = run(None, 9, model="n", status="oom", cause="CUDA out of memory")
    assert told(only, [*runs(FAST), failed]) == [
        ("no difference shown", "4", ""),
        ("only in A", "8", ""),
        ("only in A", "4", "the other side's run failed: oom: CUDA out of memory"),
    ]
    assert [row[0] for row in told(runs(FAST), only)] == [
        "no difference shown", "only in B", "only in B",
    ]  # fmt: skip


def test_runs_of_other_versions_are_no_repeats_of_one_another() -> None:
    new = {"environment": {"torch": "2.10"}}
    mixed = [*runs(FAST), *runs(SLOW, **new)]
    assert told(mixed, runs(SLOW, **new)) == [
        ("no difference shown", "4", ""),
        ("only in A", "4", "not the one compared: it has torch 2.9"),
    ]
    [verdict] = verdicts(Side("A", tuple(runs(FAST))), Side("B", tuple(runs(SLOW, **new))))
    assert verdict.changed == {"torch": ("2.9", "2.10")}
    assert verdict.outcome == "slower"


def test_gpu_profiles_meet_only_where_each_side_has_one() -> None:
    small, large = runs(SLOW, gpu_profile="1g"), runs(FAST, gpu_profile="2g")
    assert [row[0] for row in told(small, large)] == ["faster"]
    assert [row[0] for row in told([*small, *runs(FAST)], large)] == [
        "only in A", "only in A", "only in B",
    ]  # fmt: skip


def repeats(speeds: tuple[float, ...], **facts: Any) -> Repeats:
    return Repeats(tuple(runs(speeds, **facts)), {}, {})


def parts_of(table: pd.DataFrame) -> dict[str, tuple[float, ...]]:
    return {part: tuple(row) for part, *row in table.itertuples(index=False)}


def test_the_wait_for_data_accounts_for_its_share() -> None:
    # 4 images at 10/s are 400 ms, 10 % of them waiting; at 5/s 800 ms, 50 % of them.
    found = parts_of(time_parts(repeats((10.0,)), repeats((5.0,), wait=0.5)))
    assert found["waiting for data"] == pytest.approx((40, 400, 360, 90))
    assert found["all but the wait for data"] == pytest.approx((360, 400, 40, 10))
    assert found["iteration"] == pytest.approx((400, 800, 400, 100))
    assert next(iter(found)) == "waiting for data"


def test_profiles_split_the_rest_into_kernels_and_idle_time() -> None:
    one = Profile({"conv": 200.0, "gemm": 100.0}, busy=280.0)  # 20 ms on two streams at once
    two = Profile({"conv": 300.0, "nms": 10.0}, busy=310.0)
    found = parts_of(time_parts(repeats((10.0,)), repeats((8.0,)), (one, two)))
    # Iterations of 400 and 500 ms, 40 and 50 of them waiting, 280 and 310 busy.
    assert found["conv"] == pytest.approx((200, 300, 100, 100))
    assert found["gemm"] == pytest.approx((100, 0, -100, -100))
    assert found["counted twice: streams that overlap"] == pytest.approx((-20, 0, 20, 20))
    assert found["idle, and not waiting for data"] == pytest.approx((80, 140, 60, 60))
    without_whole = [row[2] for part, row in found.items() if part != "iteration"]
    assert sum(without_whole) == pytest.approx(found["iteration"][2])


def test_a_profile_is_of_one_iteration() -> None:
    rows = [("conv", 0, 4_000_000), ("sgemm", 2_000_000, 4_000_000)]
    activities = ACTIVITIES.table(
        {"name": [r[0] for r in rows], "kind": ["kernel"] * 2, "device": ["0"] * 2,
         "stream": [7, 8], "start (ns)": [r[1] for r in rows],
         "duration (ns)": [r[2] for r in rows]}
    )  # fmt: skip
    # Two iterations: 4 ms of each class and their union of 6 ms are half of that in each.
    found = profile(Timeline(activities, NO_RANGES), 2)
    assert found == Profile({"conv": 2.0, "gemm": 2.0}, busy=3.0)
    points = activities.assign(**{"duration (ns)": 0})
    assert profile(Timeline(points, NO_RANGES), 2) is None


def kinds(found: list[Run], samples: dict[Path, pd.DataFrame] | None = None) -> list[str]:
    return [soft.kind for soft in soft_numbers(found, samples)]


def test_more_than_n_times_the_speed_of_one_is_soft() -> None:
    two = {"num_processes": 2, "batch_size": 8}
    assert kinds([*runs((10.0,)), *runs((20.5,), **two)]) == ["superlinear scaling"]
    assert kinds([*runs((10.0,)), *runs((19.5,), **two)]) == []
    # The interval of these repeats holds 2, so that nothing is shown.
    assert kinds([*runs((9.0, 11.0)), *runs((20.0, 21.0), **two)]) == []


def test_a_mean_above_p90_is_soft() -> None:
    assert kinds([run(10.0, p90=0.9)]) == ["mean above p90"]


def test_a_setting_of_the_gpu_is_a_surrounding_and_a_mode_without_effect_is_not() -> None:
    def told(**environment: object) -> dict[str, str]:
        return dict(surroundings(run(10.0, environment=environment)[1]))

    a = told(gpu_power_limit_watts=700.0, gpu_ecc_mode="enabled", gpu_persistence_mode="enabled")
    b = told(gpu_power_limit_watts=500.0, gpu_ecc_mode="enabled", gpu_persistence_mode="disabled")
    assert differences(a, b) == {"gpu_power_limit_watts": ("700.0", "500.0")}


HEADER = (
    "time [s],gpu,processes,clocks_throttle_reasons.hw_slowdown,gpus,cpu.util [%],run.cpu [cores]"
)


def monitored(tmp_path: Path, *rows: str) -> list[str]:
    file = tmp_path / "monitoring.csv"
    file.write_text("\n".join([HEADER, *rows]) + "\n")
    folder, record = run(10.0, environment={"cpu_count": 8})
    return kinds([(folder, record)], {folder: read_monitoring(file)})


def test_what_the_monitor_saw_makes_numbers_soft(tmp_path: Path) -> None:
    calm = ("0.0,host,,,1,50.0,3.8", "0.0,0,1,Not Active,,,")  # others use 0.2 of 8 cores
    assert monitored(tmp_path, *calm) == []
    assert monitored(tmp_path, calm[0], "0.0,0,1,Active,,,") == ["clocks throttled"]
    assert monitored(tmp_path, calm[0], "0.0,0,2,Not Active,,,") == ["another process on the GPU"]
    busy = ("0.0,host,,,1,90.0,3.8", calm[1])  # others use 3.4 cores
    assert monitored(tmp_path, *busy) == ["the host was busy with others"]


def test_processes_on_other_instances_of_a_gpu_are_none_of_the_runs(tmp_path: Path) -> None:
    rows = ("0.0,host,,,2,,", "0.0,0,3,Not Active,,,", "0.0,0:1,1,[N/A: Not Supported],,,")
    assert monitored(tmp_path, *rows) == []


def keep(root: Path, found: list[Run], files: dict[str, bytes] | None = None) -> Path:
    """Keep runs in a results folder."""
    for _, record in found:
        folder = store.begin(root, record.spec)
        for name, content in (files or {}).items():
            (folder / name).write_bytes(content)
        measured = store.measurements_in(folder)
        store.keep(folder, record.model_copy(update={"measurements": measured}))
    return root


def compare(*arguments: object) -> str:
    verb = command("compare")
    done = CliRunner().invoke(verb, [str(a) for a in arguments], catch_exceptions=False)
    return done.stdout


@pytest.fixture
def fast(tmp_path: Path) -> Path:
    return keep(tmp_path / "fast", runs(FAST))


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    return keep(tmp_path / "slow", runs(SLOW, wait=0.5, environment={"torch": "2.10"}))


def test_the_verb_says_who_is_slower_and_why(fast: Path, slow: Path) -> None:
    text = compare(fast, slow)
    assert "slower" in text
    assert "% of it waiting for data" in text
    assert "changed: torch: 2.9 -> 2.10" in text
    found = json.loads(compare(fast, slow, "--format", "json"))
    # sqrt[3](8.0 * 8.1 * 8.2) / sqrt[3](10.0 * 10.1 * 10.2)
    assert found["verdicts"][0]["B / A"] == pytest.approx(0.80194, rel=1e-4)
    assert found["time"][0]["part"] == "waiting for data"
    assert found["changed"] == [{"name": "torch", "a": "2.9", "b": "2.10"}]
    assert compare(fast, slow, "--format", "csv").splitlines()[1].startswith("m,4,1,")
    assert "| --- |" in compare(fast, slow, "--format", "md")


def test_energy_stands_beside_the_speed_where_a_side_has_it(slow: Path, tmp_path: Path) -> None:
    counted = keep(tmp_path / "counted", [run(10.0, 0, energy=160.0), run(10.1, 1, energy=480.0)])
    (row,) = json.loads(compare(counted, slow, "--format", "json"))["verdicts"]
    assert row["A (J/image)"] == 4.0  # 2 and 6 J an image: 20 iterations of 4 images
    assert row["B (J/image)"] is None
    other = keep(tmp_path / "other", runs(FAST))
    (row,) = json.loads(compare(other, slow, "--format", "json"))["verdicts"]
    assert "A (J/image)" not in row


def test_no_parts_where_no_difference_is_shown(fast: Path, tmp_path: Path) -> None:
    same = keep(tmp_path / "same", runs((10.2, 10.0, 10.1)))
    found = json.loads(compare(fast, same, "--format", "json"))
    assert found["verdicts"][0]["verdict"] == "no difference shown"
    assert "time" not in found


def test_memory_by_category_comes_from_runs_in_memory_mode(fast: Path, slow: Path) -> None:
    for root, torch, weights in ((fast, "2.9", 1 << 20), (slow, "2.10", 3 << 20)):
        memory = {"weights": weights, "inputs": 1 << 20, "total": weights + (1 << 20)}
        memory["reserved peak"] = 9 << 20
        facts = {"window": Window(start=3, count=2), "environment": {"torch": torch}}
        keep(root, [run(1.0, 7, mode="memory", memory=memory, **facts)])
    rows = json.loads(compare(fast, slow, "--format", "json"))["memory"]
    assert [(r["part"], r["A (MiB)"], r["B (MiB)"]) for r in rows] == [
        ("weights", 1, 3), ("inputs", 1, 1), ("total", 2, 4), ("reserved peak", 9, 9),
    ]  # fmt: skip
    assert rows[0]["share of the difference (%)"] == 100


def test_core_utilization_above_100_percent_is_soft(fast: Path, slow: Path) -> None:
    log = NCU_WIDE.replace('"50.00"', '"150.00"').encode()
    keep(fast, [run(1.0, 7, mode="nsight")], {"nsight_bs4.csv": log})
    assert "soft number: utilization above 100 %: m batch size 4: fma: 150 %" in compare(fast, slow)


def test_a_damaged_profile_takes_no_verdict_away(fast: Path, slow: Path) -> None:
    for root in (fast, slow):
        keep(root, [run(1.0, 7, mode="torch")], {"torch_bs4.pt.trace.json.gz": b"\x1f\x8bcut"})
    found = json.loads(compare(fast, slow, "--format", "json"))
    assert found["verdicts"][0]["verdict"] == "slower"
    assert len(found["notes"]) == 2
    assert "torch_bs4.pt.trace.json.gz" in found["notes"][0]


def test_single_runs_are_compared_without_an_interval(fast: Path, slow: Path) -> None:
    one, other = (next(root.glob("*/*_noprofile_*")) for root in (fast, slow))
    found = json.loads(compare(one, other, "--format", "json"))
    assert found["verdicts"][0]["verdict"] == "cannot be told"
    assert found["verdicts"][0]["from (95 %)"] is None
    assert found["time"]


def test_groups_of_one_folder(tmp_path: Path) -> None:
    root = keep(tmp_path, runs(FAST, environment={"gpu_driver": "535.104"}))
    keep(root, runs(SLOW, environment={"gpu_driver": "550.54"}))
    assert "slower" in compare("535", "550", "--by", "driver", "--results", root)
    with pytest.raises(UsageError, match=r"535\.104, 550\.54"):
        compare("5", "550", "--by", "driver", "--results", root)
    with pytest.raises(UsageError, match="no run has it"):
        compare("", "550", "--by", "driver", "--results", root)
    with pytest.raises(UsageError, match="no image recorded"):
        compare("a", "b", "--by", "image", "--results", root)


def test_ci_fails_on_what_is_shown_to_be_slower(fast: Path, slow: Path) -> None:
    # Logarithms vary by s = 0.0099 and 0.0123 with three repeats each: 3.8 degrees of freedom, so
    # t is 3.182, and 0.802 exp(-+3.182 * 0.00914) is 0.779 to 0.826: slower by 17.4 to 22.1 %.
    with pytest.raises(RunFailedError, match=r"than 5 %: m batch size 4: 0\.802 times A"):
        compare(fast, slow, "--fail-if-slower", "5%")
    with pytest.raises(RunFailedError):
        compare(fast, slow, "--fail-if-slower", "17")
    compare(fast, slow, "--fail-if-slower", "18")
    compare(slow, fast, "--fail-if-slower", "5%")
    with pytest.raises(SystemExit) as end:
        run_command(command("compare"), args=[str(fast), str(slow), "--fail-if-slower", "5%"])
    assert end.value.code == 4


def test_ci_fails_on_what_cannot_be_told_unless_asked_not_to(fast: Path, tmp_path: Path) -> None:
    once = keep(tmp_path / "once", runs((10.0,)))
    with pytest.raises(RunFailedError, match="cannot be told: m batch size 4: no interval"):
        compare(fast, once, "--fail-if-slower", "5%")
    verb, options = command("compare"), ["--fail-if-slower", "5%", "--if-unknown", "pass"]
    done = CliRunner().invoke(verb, [str(fast), str(once), *options], catch_exceptions=False)
    assert done.exit_code == 0
    assert "cannot be told" in done.stderr


def test_a_model_that_only_b_has_fails_no_ci(fast: Path, tmp_path: Path) -> None:
    more = keep(tmp_path / "more", [*runs((10.2, 10.0, 10.1)), *runs(FAST, model="new")])
    compare(fast, more, "--fail-if-slower", "5%")
    with pytest.raises(RunFailedError, match="new batch size 4: only in A"):
        compare(more, fast, "--fail-if-slower", "5%")


def test_what_cannot_be_compared_is_refused(fast: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run in it"):
        compare(fast, tmp_path / "nothing")
    with pytest.raises(UsageError, match="runs in common"):
        compare(fast, fast / "A100")
    with pytest.raises(UsageError, match="--results needs --by"):
        compare(fast, fast, "--results", fast)
    failed = keep(tmp_path / "failed", [run(None, status="failed")])
    with pytest.raises(UsageError, match="measured throughput"):
        compare(failed, keep(tmp_path / "failed too", [run(None, 1, status="failed")]))
    zero = keep(tmp_path / "zero", runs((10.0,)))
    file = next(zero.glob("*/*/run.json"))
    file.write_text(file.read_text().replace('images_per_second": 10.0', 'images_per_second": 0.0'))
    with pytest.raises(BadFileError, match=r"throughput: 0 images/s over 20 iterations"):
        compare(fast, zero)
    cut = next(fast.glob("*/*/run.json"))
    cut.write_text(cut.read_text()[:-40])
    with pytest.raises(BadFileError, match=r"run\.json"):
        compare(fast, failed)
    done = CliRunner().invoke(command("compare"), ["a", "b", "--fail-if-slower", "much"])
    assert done.exit_code == 2
