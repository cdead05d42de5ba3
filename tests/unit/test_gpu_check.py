"""The check of a GPU: its verdicts, its limits and its bundle, without a GPU."""

import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import make_runs
import pandas as pd
import pytest

from detbench.api.checking import gpu_check
from detbench.checking import bench as benches
from detbench.checking import bundle
from detbench.checking.bench import Bench
from detbench.checking.claims import Claim, ImpossibleError, judged
from detbench.checking.perform import perform, verdict_table
from detbench.checking.scale import SCALES
from detbench.checking.steps import STEPS, Step
from detbench.checking.steps.known_kernels import Bound
from detbench.checking.steps.timeline import counted
from detbench.errors import MissingError, RunFailedError, UsageError
from detbench.gpus.discovery import Gpu
from detbench.launch.base import ignore
from detbench.records import store
from detbench.records.modes import MODES
from detbench.records.spec import RunRecord, Window
from detbench.running.plan import Request, plan
from detbench.suite import load_family

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def bench(root: Path, seconds: float = 3600) -> Bench:
    return Bench("cpu", None, "there is none", root, time.monotonic() + seconds, ignore)


def step(name: str, *claims: Claim, ends_with: BaseException | None = None) -> Step:
    def made(_: Bench) -> Iterator[Claim]:
        yield from claims
        if ends_with is not None:
            raise ends_with

    return Step(name, f"{name} as a whole", 60, made)


HOLDS, FAILS = judged("a", "1", "1", True), judged("b", "1", "2", False, "why")


@pytest.mark.parametrize(
    ("ends_with", "verdict", "reason"),
    [
        (ImpossibleError("no ncu"), "not possible here", "no ncu"),
        (MissingError("no ncu", "install it"), "not possible here", "no ncu; install it"),
        (RunFailedError("failed: it crashed"), "failed", "failed: it crashed"),
        (ZeroDivisionError("by 0"), "failed", "ZeroDivisionError: by 0; please report"),
    ],
)
def test_a_step_that_ends_early_is_a_verdict_and_stops_no_other(
    tmp_path: Path, ends_with: BaseException, verdict: str, reason: str
) -> None:
    steps = (step("one", HOLDS, ends_with=ends_with), step("two", FAILS))
    table = verdict_table(perform(bench(tmp_path), steps))
    assert table["claim"].tolist() == ["a", "one as a whole", "b"]
    assert table["verdict"].tolist() == ["passed", verdict, "failed"]
    assert table["reason"][1].startswith(reason)


def test_an_interruption_ends_the_check_and_keeps_its_verdicts(tmp_path: Path) -> None:
    steps = (step("one", HOLDS, ends_with=KeyboardInterrupt()), step("two", HOLDS))
    table = verdict_table(perform(bench(tmp_path), steps))
    assert table["claim"].tolist() == ["a", "one as a whole", "two as a whole"]
    assert table["reason"].tolist() == ["", *["the check was interrupted"] * 2]


def test_events_tell_of_steps_and_verdicts(tmp_path: Path) -> None:
    told = []
    one = bench(tmp_path)
    one.on_event = told.append
    perform(one, (step("one", FAILS),))
    assert told == [
        {"event": "step", "name": "one", "number": 1, "of": 1},
        {"event": "claim", "step": "one", "text": "b", "verdict": "failed"},
    ]


def test_without_time_no_training_begins(tmp_path: Path) -> None:
    table = verdict_table(perform(bench(tmp_path, seconds=1), STEPS))
    assert set(table["verdict"]) == {"not possible here"}
    assert len(table) == len(STEPS)
    needing_time = table[
        ~table["step"].isin(["known kernels", "energy", "monitoring", "core utilization"])
    ]
    assert set(needing_time["reason"]) == {"the time is up; pass more --minutes"}
    assert not any(tmp_path.iterdir())


SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_an_interruption_of_a_program_beside_ends_the_check(tmp_path: Path) -> None:
    def made(one: Bench) -> Iterator[Claim]:
        timer = threading.Timer(1, signal.pthread_kill, [threading.get_ident(), signal.SIGINT])
        timer.start()
        one.launch(SLEEPS, tmp_path / "log")
        yield HOLDS

    steps = (Step("one", "one as a whole", 60, made), step("two", HOLDS))
    table = verdict_table(perform(one := bench(tmp_path), steps))
    assert one.interrupted
    assert table["reason"].tolist() == ["the check was interrupted"] * 2


def test_what_its_time_cuts_off_did_not_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benches, "_LEAST", 0)
    one = bench(tmp_path)

    def program(one: Bench) -> Iterator[Claim]:
        one.launch(SLEEPS, tmp_path / "log")
        yield HOLDS

    def training(one: Bench) -> Iterator[Claim]:
        monkeypatch.setattr(Bench, "run", lambda *_, **__: ended("timeout"))
        one.good_run(batch_size=2, window=Window(start=0, count=1))
        yield HOLDS

    table = verdict_table(
        perform(one, [Step("a", "a as a whole", 1, program), Step("b", "b", 60, training)])
    )
    assert table["verdict"].tolist() == ["not possible here"] * 2
    assert table["reason"][0] == "the step's time is up"
    assert table["reason"][1].endswith("noprofile: the step's time is up")


def ended(status: str, batch_size: int = 8) -> store.Run:
    """A training of R50-FPN that ended so."""
    request = Request(
        model="mask_rcnn_R_50_FPN_1x", batch_sizes=(batch_size,), dataset="embedded",
        weights="random",
    )  # fmt: skip
    gpu = Gpu("GPU-1", "NVIDIA A100-SXM4-40GB", 40 << 30, (8, 0), "580", is_mig=False)
    family = load_family("maskrcnn")
    (spec,) = plan(family, MODES["noprofile"], request, gpu, purpose="window")
    record = RunRecord(
        spec=spec, spec_sha256=spec.digest(), status=status, command=("python",), exit_code=1,
        started=NOON, ended=NOON,
    )  # fmt: skip
    return store.Run(Path("run"), record)


@pytest.mark.parametrize(
    ("profile", "error"), [("A100-40GB-1g.5gb", ImpossibleError), ("A100-40GB", RunFailedError)]
)
def test_a_slice_that_is_too_small_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, error: type[Exception]
) -> None:
    monkeypatch.setattr(Bench, "run", lambda *_, **__: ended("oom"))
    one = bench(tmp_path)
    one.gpu = Gpu("MIG-1", profile, 5 << 30, (8, 0), "580", is_mig=True)
    with pytest.raises(error, match="needs about" if error is ImpossibleError else "oom"):
        one.good_run(batch_size=8, window=Window(start=0, count=1))


def test_a_page_that_cannot_be_made_costs_no_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise ValueError("a figure as never seen")

    monkeypatch.setattr(bundle, "build", broken)
    found = gpu_check(device="cpu", minutes=1e-4, bundle=tmp_path / "b.tar.gz",
                      results=tmp_path / "runs")  # fmt: skip
    assert found.problem is None
    with tarfile.open(tmp_path / "b.tar.gz") as archive:
        (member,) = [m for m in archive.getmembers() if m.name == "no_report.txt"]
        stream = archive.extractfile(member)
        assert stream is not None
        assert stream.read() == b"ValueError: a figure as never seen\n"


def test_verdicts_outlive_an_archive_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(bundle, "write", broken)
    found = gpu_check(device="cpu", minutes=1e-4, bundle=tmp_path / "b.tar.gz",
                      results=tmp_path / "runs")  # fmt: skip
    assert len(found.verdicts) == len(STEPS)
    assert "KeyboardInterrupt" in str(found.problem)
    assert not (tmp_path / "b.tar.gz").exists()


@pytest.mark.parametrize("options", [{"minutes": float("nan")}, {"gpu": "7"}])
def test_what_makes_no_sense_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        gpu_check(device="cpu", bundle=tmp_path / "b.tar.gz", **options)


def test_a_bundle_that_exists_is_refused_before_anything_runs(tmp_path: Path) -> None:
    file = tmp_path / "bundle.tar.gz"
    file.write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists already"):
        gpu_check(device="cpu", bundle=file, results=tmp_path / "runs")
    assert file.read_bytes() == b"mine"
    assert not (tmp_path / "runs").exists()


def test_a_gpu_that_is_not_here_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="--device cpu rehearses"):
        gpu_check(device="cuda", results=tmp_path)
    with pytest.raises(MissingError):
        gpu_check(gpu=0, results=tmp_path)


def test_a_bundle_holds_everything_small_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    make_runs.write(tmp_path / "results", 6, seconds=3, num_kernels=20)
    runs = list(store.all_runs(tmp_path / "results"))
    folder, record = runs[-1]
    noise = random.Random(1).randbytes(bundle.MOST_BYTES + 1)
    for name in ("large.bin", "model_final.pth"):
        (folder / name).write_bytes(noise)
    measured = store.measurements_in(folder)
    runs[-1] = store.Run(folder, record.model_copy(update={"measurements": measured}))
    stream = io.BytesIO()
    verdicts = pd.DataFrame([{"step": "speed", "claim": "a", "verdict": "passed"}])
    left_out = bundle.write(stream, verdicts, {"Speed": pd.DataFrame({"x": [1]})}, runs, NOON)
    assert [line.partition(":")[0] for line in left_out] == [f"runs/{folder.name}/large.bin"]
    assert stream.tell() < bundle.MOST_BYTES
    with tarfile.open(fileobj=io.BytesIO(stream.getvalue())) as archive:
        names = archive.getnames()
        said = archive.extractfile("left_out.txt")
        assert said is not None
        assert said.read().decode().startswith(left_out[0])
        page = archive.extractfile("report.html")
        assert page is not None
        assert b"mask_rcnn_R_50_FPN_1x" in page.read()
    assert {"verdicts.md", "verdicts.json", "tables/speed.csv", "tables/speed.md"} <= set(names)
    for each, kept in runs:
        for name in ("run.json", *(m.path for m in kept.measurements)):
            is_there = f"runs/{each.name}/{name}" in names
            assert is_there is (name not in ("large.bin", "model_final.pth")), name


def test_the_plain_count_of_a_trace(tmp_path: Path) -> None:
    def event(name: str, category: str, begin: float, length: float) -> dict[str, object]:
        return {"ph": "X", "name": name, "cat": category, "ts": begin, "dur": length}

    events = [
        event("ProfilerStep#1", "user_annotation", 1000, 1000),
        event("a", "kernel", 900, 200),  # 100 of it in the step
        event("b", "kernel", 1500, 200),
        event("c", "kernel", 1600, 300),  # overlaps b by 100
        event("copy", "gpu_memcpy", 1100, 300),
        event("late", "kernel", 2100, 50),
        {"ph": "M", "name": "process_name"},
    ]
    trace = tmp_path / "trace.json.gz"
    trace.write_bytes(gzip.compress(json.dumps({"traceEvents": events}).encode()))
    union, total = counted(trace, "kernel")
    assert union == pytest.approx(0.5)  # 1000 to 1100 and 1500 to 1900 us, in ms
    assert total == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("bound", "shown", "inside", "outside"),
    [
        (Bound("tensor cycles", 70, 100), "tensor cycles > 70 %", 88.2, 69.9),
        (Bound("fma", 0, 10), "fma < 10 %", 9.9, 10.1),
        (Bound("tensor cycles", 0, 0), "tensor cycles 0", 0.0, 0.4),
    ],
)
def test_the_bounds_of_known_kernels(
    bound: Bound, shown: str, inside: float, outside: float
) -> None:
    assert str(bound) == shown
    assert bound.holds(inside)
    assert not bound.holds(outside)
    assert not bound.holds(None)


def test_every_model_of_the_check_can_be_planned() -> None:
    for scale in SCALES.values():
        for family, model, _ in scale.predicted:
            assert load_family(family).model(model)
        assert load_family("maskrcnn").model(scale.model)
        assert load_family("maskrcnn").model(scale.learner)
    assert sum(len(sized.batch_sizes) for sized in SCALES["cuda"].predicted) >= 12


def test_a_bundle_that_does_not_fit_on_the_disk_costs_no_verdict(
    small_disk: Path, tmp_path: Path
) -> None:
    (small_disk / "others").write_bytes(bytes(60 << 10))
    bundled = small_disk / "check.tar.gz"
    done = subprocess.run(
        [sys.executable, "-m", "detbench", "gpu-check", "--device", "cpu", "--minutes", "0.0001",
         "--bundle", str(bundled), "--results", str(tmp_path / "runs")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == UsageError.exit_code
    assert "the time is up; pass more --minutes" in done.stdout
    assert f"runs kept in {tmp_path / 'runs'}" in done.stdout
    told = f"--bundle {bundled} cannot be written: No space left on device; name a new file"
    assert done.stderr.splitlines()[-1] == f"detbench: {told}"
    assert not bundled.exists()


def test_the_script_names_a_missing_folder_of_wheels() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        ["bash", "scripts/gpu_check.sh", "--wheels", "nowhere"],
        cwd=root, capture_output=True, text=True, check=False, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "gpu_check.sh: --wheels 'nowhere' is not a folder\n"
