import json
import subprocess
import sys
from pathlib import Path

import make_ncu_log
import pytest

from detbench.cli.commands import cli
from tests.conftest import ROOT, Run, assert_refused

VERBS = cli.list_commands(None)  # type: ignore[arg-type]


def detbench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "detbench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    done = detbench(verb, "--help")
    assert done.returncode == 0
    assert "Usage:" in done.stdout


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from detbench.cli.commands import cli, command;"
        "[command(verb) for verb in cli.list_commands(None)];"
        "print(sorted({'pandas', 'numpy', 'torch', 'rich', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "nsight_bs2.csv"
    make_ncu_log.write(path, 50)
    return path


def test_core_util_prints_the_four_lines_scripts_depend_on(parser: Run, log: Path) -> None:
    done = parser("core_util.py", log)
    expected = make_ncu_log.expected(50)
    assert done.stdout == "".join(f"{c}\t{expected[c]:.5f} %\n" for c in make_ncu_log.CORES)
    assert done.stderr == ""


def test_what_was_not_collected_is_not_zero(parser: Run, log: Path) -> None:
    kept = [line for line in log.read_text().splitlines() if "pipe_xu" not in line]
    log.write_text("\n".join(kept) + "\n")
    done = parser("core_util.py", log)
    assert done.stdout.splitlines()[3] == "sfu\tn/a"
    assert "sfu: sm__inst_executed_pipe_xu" in done.stderr


def test_tables_for_the_eye_and_for_programs(parser: Run, log: Path) -> None:
    expected = make_ncu_log.expected(50)
    row = json.loads(parser("core_util.py", log, "--format", "json").stdout)[0]
    assert row["kernels"] == 50
    assert row["tensor (%)"] == pytest.approx(expected["tensor"])
    assert row["tensor cycles (%)"] is None
    csv = parser("core_util.py", log, "--format", "csv").stdout.splitlines()
    assert csv[0].startswith("file,kernels,cycles,fma (%)")
    assert "n/a" in parser("core_util.py", log, "--format", "table").stdout
    assert "| --- |" in parser("core_util.py", log, "--format", "md").stdout


def test_several_files_are_a_row_each(parser: Run, log: Path, tmp_path: Path) -> None:
    other = tmp_path / "nsight_bs4.csv"
    make_ncu_log.write(other, 20)
    rows = json.loads(parser("core_util.py", log, other, "--format", "json").stdout)
    assert [row["kernels"] for row in rows] == [50, 20]


def test_an_output_file_is_new_and_never_written_over(
    parser: Run, log: Path, tmp_path: Path
) -> None:
    target = tmp_path / "table.csv"
    done = parser("core_util.py", log, "--format", "csv", "--output", target)
    assert (done.returncode, done.stdout) == (0, "")
    assert target.read_text().startswith("file,kernels,cycles")
    again = parser("core_util.py", log, "--format", "csv", "--output", log)
    assert_refused(again, 2, "File exists")
    assert "==PROF==" in log.read_text()


def test_core_util_by_device_class_and_kernel(parser: Run, log: Path) -> None:
    rows = json.loads(parser("core_util.py", log, "--by", "kernel", "--format", "json").stdout)
    assert len(rows) == 20
    assert rows[0]["cycles (%)"] == max(row["cycles (%)"] for row in rows)
    assert_refused(parser("core_util.py", log, "--device", "3"), 2, "no launch on device '3'")


@pytest.mark.parametrize(
    "script",
    ["core_util.py", "compute_util.py", "memory_util.py", "monitor_util.py", "throughput.py"],
)
@pytest.mark.parametrize(
    "content", [b"", b"hello\n", b"\x00\xff\xfe", b'{"a": 1}', b"\x1f\x8b\x08"]
)
def test_a_foreign_file_is_one_line_and_exit_5(
    parser: Run, tmp_path: Path, script: str, content: bytes
) -> None:
    path = tmp_path / "some.file"
    path.write_bytes(content)
    assert_refused(parser(script, path), 5, "some.file")


def test_a_missing_file_is_one_line_and_exit_5(parser: Run, tmp_path: Path) -> None:
    assert_refused(parser("core_util.py", tmp_path / "none.csv"), 5, "none.csv", "No such file")


def test_a_closed_pipe_is_no_traceback(log: Path) -> None:
    command = f"{sys.executable} -m detbench core-util {log} --format csv | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "program", [["-m", "detbench", "families"], [str(ROOT / "parsers" / "core_util.py"), "x.csv"]]
)
def test_a_python_without_the_packages_is_one_line(program: list[str]) -> None:
    # -S leaves out site-packages, as a system's Python would be.
    done = subprocess.run(
        [sys.executable, "-S", *program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert_refused(done, 3, "click is not installed", "bash scripts/quickstart.sh")


def test_families_and_models_are_listed() -> None:
    assert "maskrcnn" in detbench("families").stdout
    models = json.loads(detbench("models", "maskrcnn", "--format", "json").stdout)
    assert "mask_rcnn_R_18_FPN_tiny" in [row["model"] for row in models]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rnu",), "No such command 'rnu'"),
        (("run",), "FAMILY"),
        (("run", "maskrcnn", "--start", "-1"), "-1 is not in the range"),
        (("run", "maskrcnn", "--batch-sizes", "2,x"), "'2,x' is no list of whole numbers"),
        (("run", "maskrcnn", "--weights", "/no.pth"), "weights file /no.pth does not exist"),
        (("core-util", "x.csv", "--format", "xml"), "'xml' is not one of"),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments: tuple[str, ...], words: str) -> None:
    assert_refused(detbench(*arguments), 2, words)


def test_an_unknown_family_is_refused() -> None:
    assert_refused(detbench("models", "yolo"), 2, "no family 'yolo'", "maskrcnn")
