"""What all parsing verbs share: the files they take, their examples, the line while they read."""

import json
import os
import pty
import select
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

import make_ncu_log
import pytest

from detbench.cli.commands import command
from detbench.cli.files import expand
from tests import builders
from tests.conftest import ROOT, Run, assert_refused
from tests.unit import test_kineto, test_training_log

VERBS = ["core-util", "compute-util", "memory-util", "monitor-util", "throughput-util"]


def metrics(path: Path) -> None:
    test_training_log.metrics(path, *(test_training_log.report(i, 1.0) for i in (19, 39)))


def trace(path: Path) -> None:
    test_kineto.write(path, test_kineto.event("aten::mm", 10, 20, "cpu_op"))


def log(path: Path) -> None:
    text = test_training_log.over_new_year(path).read_text()
    path.write_text(text.replace("sem_seg", "segm").replace("mIoU", "AP"))


MAKERS: dict[str, Callable[[Path], object]] = {
    "nsight_*.csv": lambda path: make_ncu_log.write(path, 20),
    "torch_*.pt.trace.json.gz": trace,
    "memory_bs*.csv": lambda path: path.write_text(builders.MEMORY),
    "monitoring.csv": lambda path: path.write_text(builders.MONITORING),
    "metrics.json": metrics,
    "log.txt": log,
}


def examples(verb: str) -> list[str]:
    """The command lines under `Example:` or `Examples:` in a verb's help."""
    lines = (command(verb).help or "").splitlines()
    return [line.strip() for line in lines if line.strip().startswith("python parsers/")]


def make(folder: Path, name: str) -> None:
    """A small valid file of that name; of a pattern, one that fits."""
    path = folder / name.replace("*", "2")
    path.parent.mkdir(parents=True, exist_ok=True)
    (maker,) = [maker for pattern, maker in MAKERS.items() if fnmatch(path.name, pattern)]
    maker(path)


@pytest.mark.parametrize("verb", VERBS)
def test_the_examples_of_the_help_run(tmp_path: Path, verb: str) -> None:
    (tmp_path / "parsers").symlink_to(ROOT / "parsers")
    assert examples(verb)
    for line in examples(verb):
        words = shlex.split(line)[2:]
        options = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
        timelines = [after for word, after in pairwise(words) if word == "--timeline"]
        for name in words[:options] + timelines:
            make(tmp_path, name)
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        assert done.stdout


def test_a_quoted_pattern_is_every_file_of_it_in_natural_order(parser: Run, tmp_path: Path) -> None:
    for batch_size in (10, 2, 1):
        make_ncu_log.write(tmp_path / f"nsight_bs{batch_size}.csv", batch_size)
    done = parser("core_util.py", tmp_path / "nsight_bs*.csv", "--format", "json")
    rows = json.loads(done.stdout)
    assert [row["kernels"] for row in rows] == [1, 2, 10]
    assert rows[0]["file"] == str(tmp_path / "nsight_bs1.csv")  # in full, for programs
    table = parser("core_util.py", tmp_path / "nsight_bs*.csv").stdout
    assert "  nsight_bs1.csv " in table  # for the eye, what differs


def test_a_file_that_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    odd, other = tmp_path / "[1].csv", tmp_path / "1.csv"
    odd.touch()
    other.touch()
    assert expand([str(odd), str(other), str(odd)]) == (odd, other)


@pytest.mark.parametrize("verb", VERBS)
def test_a_pattern_without_a_file_and_a_folder_are_a_line(
    parser: Run, tmp_path: Path, verb: str
) -> None:
    script = "throughput.py" if verb == "throughput-util" else f"{verb.replace('-', '_')}.py"
    assert_refused(parser(script, tmp_path / "no*.csv"), 2, "no file matches", "no*.csv")
    assert_refused(parser(script, tmp_path), 5, f"{tmp_path}: is a folder", "name files in it")


def test_files_with_other_columns_share_a_table(parser: Run, tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    test_training_log.metrics(one, test_training_log.report(19, 1) | {"bbox/AP": 10.0})
    test_training_log.metrics(other, test_training_log.report(19, 1) | {"segm/AP": 20.0})
    done = parser("throughput.py", one, other, "--by", "evaluation", "--format", "json")
    rows = json.loads(done.stdout)
    assert [(row["box AP"], row["mask AP"]) for row in rows] == [(10.0, None), (None, 20.0)]


def test_a_monitor_table_of_one_gpu(parser: Run, tmp_path: Path) -> None:
    path = tmp_path / "gpu.csv"
    path.write_text(builders.SMI)
    done = parser("monitor_util.py", path, "--by", "gpu", "--device", "1", "--format", "json")
    assert [row["gpu"] for row in json.loads(done.stdout)] == ["1"]
    assert_refused(parser("monitor_util.py", path, "--device", "7"), 2, "no GPU '7'", "0, 1")


# Reads half of a file, then waits for a line on stdin.
READ_HALF = """
import sys
from pathlib import Path
from detbench.cli.parse import progress
progress.PATIENCE_SECONDS = float(sys.argv[1])
with progress.reading([Path(sys.argv[2])]) as each:
    for file in each:
        with file.open("rb", buffering=0) as stream:
            stream.read(500)
            sys.stdin.readline()
print("rich" in sys.modules)
"""


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal: the end that a person sees, and the one that a program writes to."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


def start_reading(tmp_path: Path, patience: str, stderr: int) -> "subprocess.Popen[str]":
    (tmp_path / "big.csv").write_bytes(bytes(1000))
    return subprocess.Popen(
        [sys.executable, "-c", READ_HALF, patience, tmp_path / "big.csv"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**os.environ, "TERM": "xterm"},
    )


def test_reading_that_lasts_shows_a_terminal_how_far_it_is(
    tmp_path: Path, terminal: tuple[int, int]
) -> None:
    ours, theirs = terminal
    with start_reading(tmp_path, "0.01", theirs) as program:
        seen = ""
        while " 50 %" not in seen and select.select([ours], [], [], 60)[0]:
            seen += os.read(ours, 4096).decode()
        stdout, _ = program.communicate("\n", timeout=60)
    assert "reading big.csv (1 of 1)" in seen
    assert " 50 %" in seen
    assert stdout == "True\n"


def test_short_reading_shows_nothing_and_loads_nothing(
    tmp_path: Path, terminal: tuple[int, int]
) -> None:
    ours, theirs = terminal
    with start_reading(tmp_path, "60", theirs) as program:
        stdout, _ = program.communicate("\n", timeout=60)
    assert stdout == "False\n"
    assert not select.select([ours], [], [], 0)[0]


def test_elsewhere_than_on_a_terminal_nothing_is_shown(tmp_path: Path) -> None:
    with start_reading(tmp_path, "0", subprocess.PIPE) as program:
        assert program.communicate("\n", timeout=60) == ("False\n", "")


SCRIPTS = {
    "core_util.py": ("nsight_bs2.csv", ()),
    "compute_util.py": ("torch_bs2.pt.trace.json.gz", ("--device", "cpu")),
    "memory_util.py": ("memory_bs2.csv", ()),
    "monitor_util.py": ("monitoring.csv", ()),
    "throughput.py": ("metrics.json", ("--batch-size", "4", "--warmup", "0")),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_refused_file_costs_the_others_nothing(parser: Run, tmp_path: Path, script: str) -> None:
    name, options = SCRIPTS[script]
    make(tmp_path, name)
    (tmp_path / f"0_{name}").write_text("no measurement\n")
    (tmp_path / f"9_{name}").write_bytes(b"")
    done = parser(script, tmp_path / f"*{name}", *options, "--format", "csv")
    alone = parser(script, tmp_path / name, *options, "--format", "csv")
    assert alone.returncode == 0
    assert done.stdout.splitlines()[-1].endswith(alone.stdout.splitlines()[-1])
    assert done.returncode == 5
    refusals = [line for line in done.stderr.splitlines() if line.startswith("detbench: ")]
    assert [f"0_{name}" in refusals[0], f"9_{name}" in refusals[1]] == [True, True]
    assert len(refusals) == 2


def test_where_all_files_are_refused_each_has_its_line(parser: Run, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("no measurement\n")
    done = parser("memory_util.py", tmp_path / "*.csv")
    assert (done.returncode, done.stdout) == (5, "")
    assert [("a.csv" in line, "b.csv" in line) for line in done.stderr.splitlines()] == [
        (True, False),
        (False, True),
    ]


def test_a_file_that_lacks_what_the_table_needs_costs_the_others_nothing(
    parser: Run, tmp_path: Path
) -> None:
    make(tmp_path, "torch_bs2.pt.trace.json.gz")  # it has no kernel
    test_kineto.write(tmp_path / "with_gpu.json", test_kineto.event("sgemm", 10, 20))
    pattern = tmp_path / "*.json*"
    done = parser("compute_util.py", pattern, "--by", "device", "--format", "json")
    assert done.returncode == 5
    assert json.loads(done.stdout)[0]["kernels"] == 1
    assert "contains no GPU kernel" in done.stderr
