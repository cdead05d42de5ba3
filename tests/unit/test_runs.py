"""How a run's end becomes a status and a cause; the processes are real, the trainings are not."""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from detbench.checkout import commit
from detbench.errors import MissingError
from detbench.gpus import discovery
from detbench.gpus.discovery import Gpu
from detbench.launch.base import Exit, Halt
from detbench.launch.local import LocalLauncher
from detbench.records import measured, store
from detbench.records.modes import MODES
from detbench.records.spec import Failure, Outcome
from detbench.running.attach import attach
from detbench.running.causes import classify, notes
from detbench.running.execute import execute
from detbench.running.plan import Request, plan
from detbench.suite import load_family
from tests.conftest import Run, assert_refused

ITSELF = Exit(0, "itself", 0)


def classified(
    folder: Path, exit_: Exit = ITSELF, outcome: Outcome | None = None, file: str = ""
) -> tuple[str, str]:
    return classify(exit_, outcome, folder, file)


def failure(type_: str, message: str, free_share: float | None = None) -> Outcome:
    return Outcome(failure=Failure(type=type_, message=message, free_share=free_share))


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (failure("OutOfMemoryError", "CUDA out of memory. Tried to allocate 2 GiB"), "oom"),
        (
            failure("RuntimeError", "NVML_SUCCESS == r INTERNAL ASSERT FAILED at CUDACaching"),
            "oom",
        ),
        (failure("AcceleratorError", "CUDA error: out of memory"), "oom"),
        (failure("RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "oom"),
        (failure("RuntimeError", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "oom"),
        (failure("RuntimeError", "GET was unable to find an engine to execute this", 0.01), "oom"),
        (
            failure("RuntimeError", "GET was unable to find an engine to execute this", 0.4),
            "failed",
        ),
        (failure("RuntimeError", "GET was unable to find an engine to execute this"), "failed"),
        (failure("RuntimeError", "DefaultCPUAllocator: can't allocate memory"), "host_oom"),
        (failure("MemoryError", ""), "host_oom"),
        (failure("FloatingPointError", "Loss became infinite"), "failed"),
        (Outcome(), "ok"),
    ],
)
def test_the_trainings_own_word_decides(tmp_path: Path, outcome: Outcome, status: str) -> None:
    assert classified(tmp_path, outcome=outcome)[0] == status


def test_a_lost_gpu_is_named(tmp_path: Path) -> None:
    said = failure("AcceleratorError", "CUDA error: GPU is lost\nCUDA kernel errors might be")
    status, cause = classified(tmp_path, outcome=said)
    assert status == "failed"
    assert cause.startswith("the GPU was lost during the run: AcceleratorError: CUDA error: GPU is")


def test_an_operator_that_moved_to_the_cpu_is_noted(tmp_path: Path) -> None:
    log = tmp_path / "output.log"
    assert notes(tmp_path) == ()
    log.write_text("[d2.engine]: Starting training\n")
    assert notes(tmp_path) == ()
    line = "INFO: Attempting to copy inputs of <function pairwise_iou> to CPU due to CUDA OOM\n"
    log.write_text(f"[d2.engine]: Starting training\n{line}{line}")
    (note,) = notes(tmp_path)
    assert note.startswith("partly on the CPU: ")
    assert note.endswith("2 times")


def test_an_allocators_assertion_is_an_oom_only_on_a_gpu_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slice_ = Gpu("MIG-7", "NVIDIA A100 MIG 1g.5gb", 5 << 30, (8, 0), "535.1", is_mig=True)
    monkeypatch.setattr(discovery, "discover", lambda: ([slice_], ""))
    said = failure("RuntimeError", "NVML_SUCCESS == r INTERNAL ASSERT FAILED at CUDACaching")
    assert classify(ITSELF, said, tmp_path, "", ("MIG-7",))[0] == "oom"
    status, cause = classify(ITSELF, said, tmp_path, "", ("MIG-8",))
    assert status == "failed"
    assert cause.startswith("the GPU id MIG-8 names none of the 1 GPUs here: RuntimeError: NVML")


def test_a_kill_is_an_oom_when_the_kernel_counted_one(tmp_path: Path) -> None:
    assert classified(tmp_path, Exit(-9, "itself", 1))[0] == "host_oom"
    assert classified(tmp_path, Exit(137, "itself", 1))[0] == "host_oom"  # through a profiler
    status, cause = classified(tmp_path, Exit(-9, "itself", 0))
    assert status == "failed"
    assert "signal 9" in cause


def test_a_crash_names_its_signal(tmp_path: Path) -> None:
    assert "SIGSEGV" in classified(tmp_path, Exit(-11, "itself", 0))[1]


def test_an_end_without_a_word_quotes_the_log(tmp_path: Path) -> None:
    (tmp_path / "output.log").write_text("Traceback\nImportError: libcuda.so.1\n\n")
    status, cause = classified(tmp_path, Exit(1, "itself", 0))
    assert status == "failed"
    assert "ImportError: libcuda.so.1" in cause


def test_a_profiler_that_measured_nothing_is_a_failed_run_in_its_own_words(tmp_path: Path) -> None:
    log = tmp_path / "nsight_bs2.csv"
    log.write_text("==PROF== Connected to process 1\n==WARNING== No kernels were profiled.\n")
    status, cause = classified(tmp_path, outcome=Outcome(), file=log.name)
    assert status == "failed"
    assert "No kernels were profiled" in cause


def test_a_profilers_exit_code_is_not_consulted(tmp_path: Path) -> None:
    (tmp_path / "nsight_bs2.csv").write_text('"ID"\n"0"\n')
    assert classified(tmp_path, Exit(1, "itself", 0), Outcome(), "nsight_bs2.csv")[0] == "ok"


def test_a_timeline_without_kernels_is_no_measurement(tmp_path: Path) -> None:
    path = tmp_path / "nsys_bs2.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("create table CUPTI_ACTIVITY_KIND_KERNEL (start int)")
    assert measured.why_empty(path) == "it holds no kernel"
    with sqlite3.connect(path) as database:
        database.execute("insert into CUPTI_ACTIVITY_KIND_KERNEL values (1)")
    assert measured.why_empty(path) == ""
    assert measured.why_empty(tmp_path / "none.sqlite") == "it was not written"


def python(code: str, log: Path, **options: object) -> tuple[Exit, list[dict[str, object]]]:
    events: list[dict[str, object]] = []
    command = [sys.executable, "-c", code]
    ended = LocalLauncher().run(
        command,
        log=log,
        environment={},
        on_event=events.append,
        **{"time_limit": None, **options},  # type: ignore[arg-type]
    )
    return ended, events


def test_output_goes_to_the_log_and_events_to_the_caller(tmp_path: Path) -> None:
    code = (
        "from detbench.records.events import emit; print('a'); emit('progress', done=1); print('b')"
    )
    ended, events = python(code, tmp_path / "log")
    assert ended.code == 0
    assert (tmp_path / "log").read_text() == "a\nb\n"
    assert events == [{"event": "progress", "done": 1}]


def test_a_signals_number_is_kept(tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    ended, _ = python(code, tmp_path / "log")
    assert (ended.code, ended.by) == (-9, "itself")


def test_a_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    # A data loader's worker that ignores SIGINT must not stay behind.
    worker = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"
    code = (
        f"import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', {worker!r}]);"
        "print(p.pid, flush=True); time.sleep(600)"
    )
    began = time.monotonic()
    ended, _ = python(code, tmp_path / "log", time_limit=2.0)
    assert ended.by == "timeout"
    assert time.monotonic() - began < 60
    pid = int((tmp_path / "log").read_text().splitlines()[0])
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    assert state.stdout.strip() in ("", "Z", "Zs")


def test_a_halt_ends_a_training_that_hangs_and_its_reason_is_the_cause(tmp_path: Path) -> None:
    halt = Halt()
    timer = threading.Timer(1.0, lambda: setattr(halt, "why", "the GPU was lost: dmesg tells"))
    timer.start()
    ended, _ = python("import time; time.sleep(600)", tmp_path / "log", halt=halt)
    assert (ended.by, ended.code) == ("halt", -signal.SIGINT)
    assert classified(tmp_path, ended) == ("failed", "the GPU was lost: dmesg tells")


def test_ctrl_c_ends_the_process_and_says_so(tmp_path: Path) -> None:
    main = threading.main_thread().ident
    timer = threading.Timer(1.0, signal.pthread_kill, [main, signal.SIGINT])
    timer.start()
    ended, _ = python("import time; time.sleep(600)", tmp_path / "log")
    timer.cancel()
    assert ended.by == "interrupt"


def test_a_callers_python_path_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/their/packages:/more")
    log = tmp_path / "output.log"
    LocalLauncher().run(
        [sys.executable, "-c", "import os; print(os.environ['PYTHONPATH'])"],
        log=log, environment={}, on_event=print, time_limit=30,
    )  # fmt: skip
    first, *rest = log.read_text().strip().split(":")
    assert (Path(first) / "detbench").is_dir()
    assert rest == ["/their/packages", "/more"]


def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DETBENCH_COMMIT", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit() == "unknown"
    monkeypatch.setenv("DETBENCH_COMMIT", "abc")
    assert commit() == "abc"


LOCKED = """==PROF== Connected to process 7 (/usr/bin/python3)
==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access NVIDIA GPU counters
==PROF== Disconnected from process 7
==ERROR== An error occurred while trying to profile.
==WARNING== No kernels were profiled.
"""


def test_the_first_error_of_ncu_is_the_cause(tmp_path: Path, parser: Run) -> None:
    file = tmp_path / "nsight_bs2.csv"
    file.write_text(LOCKED)
    why = measured.why_empty(file)
    assert why.startswith("it holds no row; the profiler said: ==ERROR== ERR_NVGPUCTRPERM")
    assert why.endswith("NVreg_RestrictProfilingToAdminUsers=0")
    assert_refused(parser("core_util.py", file), 5, "it says: ==ERROR== ERR_NVGPUCTRPERM")
    file.write_text(LOCKED.replace("==ERROR==", "==PROF=="))
    assert "No kernels were profiled" in measured.why_empty(file)


def test_a_disk_that_is_full_from_the_start_is_one_line(small_disk: Path) -> None:
    (small_disk / "others").write_bytes(bytes((64 << 10) - store._RESERVE_BYTES))
    family, mode = load_family("maskrcnn"), MODES["noprofile"]
    (spec,) = plan(family, mode, Request(device="cpu"), None, purpose="window")[:1]
    attachment = attach(mode, None, spec.batch_size, spec.window)
    with pytest.raises(MissingError, match="No space left on device"):
        execute(spec, attachment, LocalLauncher(python="true"), root=small_disk, on_event=print)
    assert list(small_disk.glob("*/.running-*")) == []
