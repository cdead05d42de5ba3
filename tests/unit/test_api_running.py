"""Runs from Python: real processes, records and locks; the trainings are a stand-in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from detbench.api import measuring, running, suite, sweeping
from detbench.errors import BadFileError, DetbenchError, MissingError, UsageError
from detbench.launch.base import Exit
from detbench.launch.local import LocalLauncher
from detbench.running import session
from tests.unit import in_process

# It trains at batch sizes up to 4, runs out of memory above, and finds no dataset at 9.
TRAINING = """#!{python} -S
import json, pathlib, sys
spec, folder = json.loads(pathlib.Path(sys.argv[-2]).read_text()), pathlib.Path(sys.argv[-1])
size, window = spec["batch_size"], spec["window"]
print("what it prints by the way")
for done in (1, 2):
    told = dict(event="progress", phase="training", done=done, total=2, loss=0.5)
    print("@detbench " + json.dumps(told), flush=True)
outcome = {{}}
if size == 9:
    outcome["failure"] = dict(type="BadFileError", message="no dataset", exit_code=5)
elif size > 4:
    outcome["failure"] = dict(type="OutOfMemoryError", message="CUDA out of memory")
else:
    outcome["throughput"] = dict(
        images_per_second=size, images=size, seconds=1,
        num_iterations=window["count"], first_iteration=window["start"], batch_size=size,
        iteration_seconds_median=1, iteration_seconds_p10=1, iteration_seconds_p90=1,
        data_wait_share=0.25, energy_source="trained on a CPU",
    )
if spec["target"]:
    outcome["time_to_train"] = dict(
        target=spec["target"], reached=True, seconds=60, evaluation_seconds=6, num_evaluations=1,
        iterations=4, images=16, epochs=0.5,
    )
    outcome["accuracy"] = spec["target"]
(folder / "outcome-0.json").write_text(json.dumps(outcome))
"""


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder, on a machine without a GPU whose trainings are the stand-in."""
    program = tmp_path / "training"
    program.write_text(TRAINING.format(python=sys.executable))
    program.chmod(0o755)
    launcher = partial(LocalLauncher, python=str(program))
    monkeypatch.setattr(session, "LocalLauncher", launcher)
    return tmp_path / "results"


def test_a_run_is_returned_with_its_record_and_nothing_is_printed(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = running.run("maskrcnn", batch_size=2, results=results, monitor_every=0)
    assert run.record.status == "ok"
    assert run.record.throughput is not None
    assert run.record.throughput.images_per_second == 2
    assert run.folder.parent == results / "cpu"
    folder, record = run
    assert (folder, record) == (run.folder, run.record)
    assert capsys.readouterr() == ("", "")


def test_events_reach_the_callback(results: Path) -> None:
    events: list[Mapping[str, Any]] = []
    (run,) = running.run("maskrcnn", batch_size=2, results=results, on_event=events.append)
    assert [event["event"] for event in events] == ["run", "progress", "progress", "ended"]
    assert events[0]["name"] == "mask_rcnn_R_18_FPN_tiny bs2 noprofile"
    assert events[2] == {
        "event": "progress", "phase": "training", "done": 2, "total": 2, "loss": 0.5
    }  # fmt: skip
    assert events[3] == {"event": "ended", "status": "ok", "folder": run.folder}


def test_a_run_that_failed_is_returned(results: Path) -> None:
    done = running.run("maskrcnn", batch_size=[2, 8], results=results)
    assert [run.record.status for run in done] == ["ok", "oom"]
    assert done[1].record.cause == "OutOfMemoryError: CUDA out of memory"


def test_a_training_that_refuses_is_raised_and_has_ended(results: Path) -> None:
    events: list[Mapping[str, Any]] = []
    with pytest.raises(DetbenchError, match="no dataset") as refused:
        running.run("maskrcnn", batch_size=9, results=results, on_event=events.append)
    assert refused.value.exit_code == BadFileError.exit_code
    assert events[-1] == {"event": "ended", "status": "refused", "folder": None}
    assert list(results.glob("cpu/*")) == []


def test_the_users_end_of_a_run_is_the_end_of_all(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(LocalLauncher):
        def run(self, *_: Any, **__: Any) -> Exit:
            return Exit(-2, "interrupt", None)

    monkeypatch.setattr(session, "LocalLauncher", Interrupted)
    done = running.run("maskrcnn", batch_size=(2, 4), results=results)
    assert [run.record.status for run in done] == ["interrupted"]
    measured = measuring.measure_throughput("maskrcnn", (1, 2), batch_size=2, results=results)
    assert [run.record.status for run in measured.runs] == ["interrupted"]
    swept = sweeping.sweep("maskrcnn", batch_size=(2, 4), results=results)
    assert str(swept.problem) == "interrupted; the same command goes on where it stopped"


def test_resume_takes_a_good_run_for_the_result(results: Path) -> None:
    options = {"batch_size": 2, "results": results, "resume": True}
    (first,) = running.run("maskrcnn", **options)  # type: ignore[arg-type]
    (second,) = running.run("maskrcnn", **options)  # type: ignore[arg-type]
    assert second == first
    running.run("maskrcnn", **{**options, "resume": False})  # type: ignore[arg-type]
    assert len(list(results.glob("cpu/*"))) == 2


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (running.run, "batchsize"),
        (running.run, "checkpoint_every"),  # it is train's
        (running.train, "mode"),
        (partial(running.evaluate, weights="zoo"), "learning_rate"),
        (measuring.measure_throughput, "nodes"),
        (partial(measuring.measure_time_to_train, target={"box AP": 1}), "checkpoint_every"),
        (sweeping.sweep, "resume"),
    ],
)
def test_an_unknown_keyword_is_a_type_error(function: Any, name: str) -> None:
    with pytest.raises(TypeError, match=rf"\(\) got an unexpected keyword argument '{name}'"):
        function("maskrcnn", **{name: 1})


REFUSED = [
    ({"model": "yolo"}, ("--model", "yolo")),
    ({"batch_size": 0}, ("--batch-sizes", "0")),
    ({"framework": "darknet"}, ("--framework", "darknet")),
    ({"weights": "/no.pth"}, ("--weights", "/no.pth")),
    ({"device": "cuda"}, ("--device", "cuda")),
    ({"gpus": "7"}, ("--gpus", "7")),
    ({"memory_limit": "lots"}, ("--memory-limit", "lots")),
    ({"nodes": 2}, ("--nodes", "2")),
    ({"node_rank": 1}, ("--node-rank", "1")),
    ({"nodes": 2, "node_rank": 2, "rendezvous": "a:1"},
     ("--nodes", "2", "--node-rank", "2", "--rendezvous", "a:1")),
    ({"start": 9, "count": 9, "iterations": 10},
     ("--start", "9", "--count", "9", "--iterations", "10")),
    ({"processes": 3, "batch_size": 4}, ("--processes", "3", "--batch-sizes", "4")),
    ({"mode": "nsight"}, ("--mode", "nsight")),
    ({"mode": "fast"}, ("--mode", "fast")),
]  # fmt: skip


@pytest.mark.parametrize(("keywords", "flags"), REFUSED)
def test_a_refusal_is_the_command_lines(
    keywords: dict[str, Any], flags: tuple[str, ...], results: Path
) -> None:
    with pytest.raises((UsageError, MissingError)) as refused:
        running.run("maskrcnn", results=results, **keywords)
    command = ("run", "maskrcnn", "--results", results, "--mode", "noprofile")
    ran = in_process.detbench(*command, *flags)
    assert ran.err == f"detbench: {refused.value}\n"
    assert ran.code == refused.value.exit_code
    assert not results.exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("device", "tpu", "there is no device 'tpu'; known: cpu, cuda"),
        ("launcher", "slurm", "there is no launcher 'slurm'; known: local, docker"),
        ("precision", "fp8", "there is no precision 'fp8'; known: fp32, tf32, amp, bf16"),
        ("processes", 0, "processes is at least 1, not 0"),
        ("monitor_every", -1.0, "monitor_every is at least 0, not -1.0"),
    ],
)
def test_what_the_flags_do_not_take_is_refused_here_as_well(
    name: str, value: Any, words: str
) -> None:
    with pytest.raises(UsageError) as refused:
        running.run("maskrcnn", **{name: value})  # type: ignore[arg-type]
    assert str(refused.value) == words


def test_a_mode_is_named_or_the_switched_one(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert suite.switch("maskrcnn", "torch").name == suite.switched("maskrcnn").name == "torch"
    assert running.commands("maskrcnn").lines == running.commands("maskrcnn", "noprofile").lines
    notes = running.commands("maskrcnn", "nvprof").notes
    assert notes[0] == "there is no GPU here: this is for a current data-centre GPU"
    with pytest.raises(UsageError, match="maskrcnn is switched to torch, and training"):
        suite.require_noprofile("maskrcnn")
    assert suite.profiling_mode("maskrcnn", "torch").name == "torch"
    with pytest.raises(UsageError, match="maskrcnn is switched to torch, not to memory"):
        suite.profiling_mode("maskrcnn", "memory")
    assert capsys.readouterr() == ("", "")


def test_commands_are_those_of_a_dry_run(workspace: Path) -> None:
    told = running.commands("maskrcnn", "nvprof", batch_size=(2, 4), processes=1)
    shown = in_process.detbench(
        "run", "maskrcnn", "--mode", "nvprof", "--batch-sizes", "2,4", "--dry-run"
    )
    assert (shown.out.splitlines(), shown.err.splitlines()) == told
    with pytest.raises(UsageError, match="eval needs weights"):
        running.commands("maskrcnn", purpose="evaluation")


def test_throughput_is_measured_over_repeats_that_take_turns(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done, table = measuring.measure_throughput(
        "maskrcnn", repeats=2, batch_size=(2, 4), start=3, count=5, results=results
    )
    assert [run.record.spec.batch_size for run in done] == [2, 4, 2, 4]
    assert table["images/s"].tolist() == [2, 4]
    assert table["± 95 %"].tolist() == [0, 0]
    assert table["efficiency (%)"].tolist() == [100, 100]
    assert table["data wait (%)"].tolist() == [25, 25]
    assert table["iterations"].tolist() == ["[3, 8)"] * 2
    assert table.attrs["count"] == "4 runs"
    assert table["J/image"].isna().all()
    assert table.attrs["notes"] == ["J/image is n/a: trained on a CPU"]
    assert "warm-up" in table.attrs["window"]
    assert "wall time" in table.attrs["denominator"]
    assert capsys.readouterr() == ("", "")


def test_a_repeat_that_failed_is_left_out_by_name(results: Path) -> None:
    done, table = measuring.measure_throughput(
        "maskrcnn", repeats=1, batch_size=(2, 8), results=results
    )
    assert len(done) == 2
    assert table["batch size"].tolist() == [2]
    name = done[1].folder.name
    lost = f"left out: {name}: oom: OutOfMemoryError: CUDA out of memory"
    assert lost in table.attrs["notes"]


def test_time_to_train_is_measured_with_a_seed_a_repeat(results: Path) -> None:
    done, table = measuring.measure_time_to_train(
        "maskrcnn", {"box AP": 30.0}, repeats=2, batch_size=4, results=results
    )
    assert [run.record.spec.seed for run in done] == [0, 1]
    assert table["time-to-train (s)"].tolist() == [60, 60]
    assert table["target"].tolist() == ["box AP 30"] * 2
    assert table["box AP"].tolist() == [30, 30]
    with pytest.raises(UsageError, match="embedded is not measured by VOC mAP"):
        measuring.measure_time_to_train("maskrcnn", {"VOC mAP": 30.0}, dataset="embedded")
    with pytest.raises(UsageError, match="needs a target"):
        measuring.measure_time_to_train("maskrcnn", {})


def test_a_sweep_is_a_matrix_of_few_runs_that_is_kept(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes: list[str] = []

    def on_event(event: Mapping[str, Any]) -> None:
        if event["event"] == "note":
            notes.append(event["text"])

    fill = partial(
        sweeping.sweep, "maskrcnn", batch_size=(1, 2, 4, 8), results=results, on_event=on_event
    )
    seen = fill(dry_run=True)
    assert set(seen.cells["status"]) == {"not tried"}
    assert (seen.table, seen.runs, notes) == (None, [], [])
    assert not results.exists()

    swept = fill()
    assert swept.cells["status"].tolist() == ["fits", "fits", "fits", "oom"]
    assert swept.grid.iloc[0].tolist()[1:] == [
        "fits (implied by 2)", "2 img/s", "4 img/s", "oom"
    ]  # fmt: skip
    assert [run.record.spec.batch_size for run in swept.runs] == [2, 4, 8]
    assert swept.causes == [
        "mask_rcnn_R_18_FPN_tiny bs8 noprofile: oom: OutOfMemoryError: CUDA out of memory"
    ]
    assert swept.problem is None
    assert swept.table is not None
    assert swept.table.read_text().splitlines()[0].startswith("model,mode,batch size")
    assert swept.picture == swept.table.with_suffix(".png")
    assert notes[0] == swept.plan
    assert "bs4 noprofile: fits" in "\n".join(notes)

    again = fill()
    assert again.runs == []
    assert again.cells.equals(swept.cells)
    assert capsys.readouterr() == ("", "")


def test_a_refused_row_is_the_problem_of_a_sweep(results: Path) -> None:
    swept = sweeping.sweep("maskrcnn", batch_size=(9,), results=results)
    assert swept.cells["cause"].tolist() == ["no dataset"]
    assert swept.problem is not None
    assert swept.problem.exit_code == BadFileError.exit_code


def test_what_a_mode_lacks_is_raised_before_any_result_and_returned_after_one(
    results: Path,
) -> None:
    with pytest.raises(MissingError, match="mode nsight lacks"):
        sweeping.sweep("maskrcnn", ["nsight", "noprofile"], batch_size=(2,), results=results)
    swept = sweeping.sweep("maskrcnn", ["noprofile", "nsight"], batch_size=(2,), results=results)
    assert swept.cells["status"].tolist() == ["fits", "not tried"]
    assert isinstance(swept.problem, MissingError)


def test_what_there_is_comes_as_tables(workspace: Path) -> None:
    for table, words in (
        (suite.families(), ("families",)),
        (suite.models("efficientdet"), ("models", "efficientdet")),
        (suite.status(), ("status",)),
    ):
        assert table.to_dict("records") == in_process.detbench(*words, "--json").rows()
    assert suite.status().attrs["results"] == str(workspace / "results")
