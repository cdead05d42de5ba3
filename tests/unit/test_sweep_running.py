"""Sweeps over a results folder: real locks, records and processes; the trainings are a stand-in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from detbench.errors import DetbenchError, MissingError, UsageError
from detbench.records import store
from detbench.records.modes import MODES
from detbench.records.spec import RunRecord, RunSpec, Status, Throughput
from detbench.running.plan import Request, plan
from detbench.suite import load_family
from detbench.sweeping.running import Do, Sweep, by_cell
from detbench.sweeping.search import states
from tests.conftest import ROOT

BEFORE = datetime(2026, 1, 1, tzinfo=timezone.utc)
SIZES = (1, 2, 4)
MODELS = ("mask_rcnn_R_18_FPN_tiny", "panoptic_fpn_R_18_tiny")


def specs(models: tuple[str, ...] = MODELS[:1], limit: int | None = None) -> list[RunSpec]:
    request = Request(
        model=",".join(models), batch_sizes=SIZES, shortened_to=10, memory_limit=limit
    )
    return plan(load_family("maskrcnn"), MODES["noprofile"], request, None, purpose="window")


def kept(
    root: Path,
    spec: RunSpec,
    status: Status,
    cause: str = "",
    ended: datetime | None = None,
    **environment: Any,
) -> tuple[Path, RunRecord]:
    """A finished run in the results folder."""
    moment = ended or datetime.now(timezone.utc)
    speed = Throughput(
        images_per_second=7.0, images=7, seconds=1, num_iterations=1, first_iteration=0,
        batch_size=spec.batch_size, iteration_seconds_median=1, iteration_seconds_p10=1,
        iteration_seconds_p90=1, data_wait_share=0,
    )  # fmt: skip
    record = RunRecord(
        spec=spec, spec_sha256=spec.digest(), status=status, cause=cause, command=(), exit_code=0,
        started=moment, ended=moment, throughput=speed if status == "ok" else None,
        memory={"resident peak": 3 << 20}, environment=environment,
    )  # fmt: skip
    folder = store.keep(store.begin(root, spec), record)
    return folder, store.read_record(folder / "run.json")


def matrix(root: Path, cells: list[RunSpec] | None = None, **options: Any) -> Sweep:
    given = {
        "devices": (),
        "limits": {},
        "predictor": None,
        "again": False,
        "confirm": False,
        **options,
    }
    said: list[str] = []
    sweep = Sweep(root, by_cell(cells or specs()), say=said.append, **given)
    sweep.said = said  # type: ignore[attr-defined]
    return sweep


def machine(root: Path, largest: int, done: list[int] | None = None) -> Do:
    """A machine on which `largest` is the largest batch size that trains."""

    def do(spec: RunSpec, retries: Path | None) -> tuple[Path, RunRecord]:
        if done is not None:
            done.append(spec.batch_size)
        fits = spec.batch_size <= largest
        return kept(root, spec, "ok" if fits else "host_oom", "" if fits else "killed")

    return do


def statuses(sweep: Sweep) -> list[str]:
    return [state.status for row in sweep.rows() for state in states(row).values()]


def nothing(spec: RunSpec, retries: Path | None) -> tuple[Path, RunRecord]:
    raise AssertionError("no run was to be done")


def test_a_matrix_is_filled_by_the_fewest_runs_and_not_run_again(tmp_path: Path) -> None:
    done: list[int] = []
    sweep = matrix(tmp_path)
    sweep.run(machine(tmp_path, 2, done))
    assert done == [2, 4]
    assert statuses(sweep) == ["fits", "fits", "host_oom"]
    matrix(tmp_path).run(nothing)
    assert not list((tmp_path / "cpu/.sweep").iterdir())


def test_again_measures_anew(tmp_path: Path) -> None:
    kept(tmp_path, specs()[1], "ok", ended=BEFORE)
    done: list[int] = []
    matrix(tmp_path, again=True).run(machine(tmp_path, 4, done))
    assert done == [2, 4]


def test_what_failed_before_is_tried_again_and_an_oom_is_not(tmp_path: Path) -> None:
    one, two, four = specs()
    kept(tmp_path, four, "oom", ended=BEFORE)
    kept(tmp_path, two, "failed", ended=BEFORE)
    kept(tmp_path, one, "timeout", ended=BEFORE)
    done: list[int] = []
    matrix(tmp_path).run(machine(tmp_path, 1, done))
    assert done == [1, 2]


def test_a_run_under_another_limit_decides_nothing(tmp_path: Path) -> None:
    kept(tmp_path, specs()[2], "ok", limits={"memory": 1 << 30})
    done: list[int] = []
    limited = matrix(tmp_path, limits={"memory": 2 << 30})
    limited.run(lambda spec, _: kept(tmp_path, spec, "host_oom", limits={"memory": 2 << 30}))
    assert statuses(limited) == ["host_oom"] * 3
    assert statuses(matrix(tmp_path, limits={"memory": 1 << 30})) == ["fits"] * 3
    matrix(tmp_path).run(machine(tmp_path, 4, done))
    assert done


def test_a_limit_on_a_cpu_is_part_of_the_profiles_name() -> None:
    assert {spec.gpu_profile for spec in specs(limit=900 << 20)} == {"cpu-900MiB"}
    assert {spec.gpu_profile for spec in specs(limit=2 << 30)} == {"cpu-2GiB"}


def test_a_failure_from_outside_is_tried_once_more(tmp_path: Path) -> None:
    tries: list[Path | None] = []

    def do(spec: RunSpec, retries: Path | None) -> tuple[Path, RunRecord]:
        tries.append(retries)
        again = {"retries": retries.name} if retries else {}
        cause = "RuntimeError: CUDA error: unspecified launch failure"
        return kept(tmp_path, spec, "failed", cause, **again)

    sweep = matrix(tmp_path, specs()[:1])
    sweep.run(do)
    first, second = sorted(tmp_path.glob("cpu/[!.]*"), key=lambda f: f.name)
    assert tries == [None, first]
    assert store.read_record(second / "run.json").environment["retries"] == first.name
    assert statuses(sweep) == ["failed"]


@pytest.mark.parametrize("cause", ["ValueError: no", "killed by signal 11 (SIGSEGV)"])
def test_a_failure_of_the_training_is_not_tried_again(tmp_path: Path, cause: str) -> None:
    sweep = matrix(tmp_path, specs()[:1])
    sweep.run(lambda spec, retries: kept(tmp_path, spec, "failed", cause))
    assert len(list(tmp_path.glob("cpu/[!.]*"))) == 1


def test_a_refused_row_is_left_and_what_the_machine_lacks_ends_it_all(tmp_path: Path) -> None:
    def refusing(error: DetbenchError) -> Do:
        def do(spec: RunSpec, retries: Path | None) -> tuple[Path, RunRecord]:
            if spec.model == MODELS[0]:
                raise error
            return machine(tmp_path, 4)(spec, retries)

        return do

    sweep = matrix(tmp_path, specs(MODELS))
    sweep.run(refusing(UsageError("no such weights", "name others")))
    assert statuses(sweep) == ["not tried"] * 3 + ["fits"] * 3
    assert states(sweep.rows()[0])[1].cause == "no such weights; name others"
    with pytest.raises(MissingError, match="no engine"):
        matrix(tmp_path, specs(MODELS)).run(refusing(MissingError("no engine")))


def test_the_users_interrupt_ends_the_sweep_and_the_next_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        matrix(tmp_path).run(lambda spec, _: kept(tmp_path, spec, "interrupted"))
    done: list[int] = []
    matrix(tmp_path).run(machine(tmp_path, 4, done))
    assert done == [2, 4]


def test_the_time_left_is_the_mean_of_what_was_done(tmp_path: Path) -> None:
    assert matrix(tmp_path).estimate() == (2, None)
    folder, record = kept(tmp_path, specs()[1], "ok")
    longer = record.model_copy(update={"started": record.ended.replace(year=2025)})
    (folder / "run.json").write_text(longer.model_dump_json())
    seconds = (longer.ended - longer.started).total_seconds()
    assert matrix(tmp_path).estimate() == (1, seconds)


# A sweep of another process; it does no run before it is told to on its stdin.
OTHER = """
import sys
from pathlib import Path
from tests.unit.test_sweep_running import MODELS, kept, matrix, specs

root = Path(sys.argv[1])

def do(spec, retries):
    print("doing", spec.model, spec.batch_size, flush=True)
    sys.stdin.readline()
    return kept(root, spec, "ok")

sweep = matrix(root, specs(MODELS), devices=tuple(sys.argv[2:]))
sweep.say = lambda line: print(line, flush=True)
sweep.run(do)
print("done", flush=True)
"""


@pytest.fixture
def other(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    def start(*devices: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", OTHER, str(tmp_path), *devices],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start


def read_until(process: subprocess.Popen[str], words: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if line.startswith(words):
            return lines
    raise AssertionError(f"it ended without '{words}': {lines}")


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n" * 20)
    process.stdin.flush()


def test_two_sweeps_share_the_rows_and_do_no_cell_twice(
    tmp_path: Path, other: Callable[..., subprocess.Popen[str]]
) -> None:
    first, second = other(), None
    try:
        assert read_until(first, "doing")[-1] == f"doing {MODELS[0]} 2"
        second = other()
        # The first row's cell is taken, so that the second process begins with the second row.
        assert read_until(second, "doing")[-1] == f"doing {MODELS[1]} 2"
        go_on(second)
        waits = read_until(second, "sweep: waiting")
        assert waits[-1].startswith(f"sweep: waiting for {MODELS[0]} bs2 noprofile, which process")
        assert str(first.pid) in waits[-1]
        go_on(first)
        read_until(first, "done")
        read_until(second, "done")
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.communicate()
    runs = [json.loads(file.read_text())["spec"] for file in tmp_path.glob("cpu/[!.]*/run.json")]
    cells = sorted((run["model"], run["batch_size"]) for run in runs)
    assert cells == [(model, size) for model in MODELS for size in (2, 4)]


def test_two_sweeps_on_one_device_take_turns(
    tmp_path: Path, other: Callable[..., subprocess.Popen[str]]
) -> None:
    first, second = other("GPU-1"), None
    try:
        read_until(first, "doing")
        second = other("GPU-1")
        waits = read_until(second, "sweep: waiting for GPU-1, which process")
        assert str(first.pid) in waits[-1]
        go_on(first)
        go_on(second)
        read_until(first, "done")
        read_until(second, "done")
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.communicate()
    assert len(list(tmp_path.glob("cpu/[!.]*/run.json"))) == 4


def test_what_a_killed_sweep_was_doing_is_done_by_another(
    tmp_path: Path, other: Callable[..., subprocess.Popen[str]]
) -> None:
    killed = other()
    read_until(killed, "doing")
    killed.kill()
    killed.communicate()
    assert list((tmp_path / "cpu/.sweep").iterdir())  # its lock's file is still there
    done: list[int] = []
    matrix(tmp_path).run(machine(tmp_path, 4, done))
    assert done == [2, 4]


def test_locks_that_cannot_be_made_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "cpu").write_text("")
    with pytest.raises(MissingError, match=r"\.lock cannot be written"):
        matrix(tmp_path).run(nothing)
