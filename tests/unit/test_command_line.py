"""The command line as a whole: what every verb shows in its help works, in one vocabulary."""

import inspect
import json
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete

from detbench.cli.commands import cli, command
from tests.conftest import ROOT
from tests.unit.cli_flags import flags
from tests.unit.in_process import detbench
from tests.unit.test_comparison import FAST, runs
from tests.unit.test_comparison import keep as keep_runs
from tests.unit.test_results import SPEC
from tests.unit.test_results_verb import keep

VERBS = cli.list_commands(click.Context(cli))
FROZEN = ROOT / "tests/unit/cli_flags.txt"
TRAINS = ("train", "run", "profile", "sweep", "eval", "throughput", "time-to-train")
# Verb -> why its examples are only parsed, and not run, here.
ONLY_PARSED = {
    "build": "builds an image (tests/docker)",
    "shell": "starts a container (tests/docker)",
    "data download": "fetches from the network (test_download.py serves it the archives)",
    "gpu-check": "trains for minutes (tests/integration/test_gpu_check.py)",
    "data verify coco": "needs COCO's 118,287 images (test_annotations.py has smaller ones)",
}


def examples() -> list[str]:
    """Every command under "Example:" in the help of every verb."""
    found: list[str] = []
    for verb in VERBS:
        found += _of(command(verb))
    return found


def _of(verb: click.Command) -> list[str]:
    text = re.sub(r" \\\n\s+", " ", inspect.cleandoc(verb.help or ""))
    blocks = re.findall(r"^Examples?\b.*:\n((?:  +\S.*\n?)+)", text, re.MULTILINE)
    nested = verb.commands.values() if isinstance(verb, click.Group) else ()
    return [line.strip() for block in blocks for line in block.splitlines()] + [
        line for each in nested for line in _of(each)
    ]


def test_every_verb_has_an_example() -> None:
    of_verb = {verb: _of(command(verb)) for verb in VERBS}
    assert [verb for verb, lines in of_verb.items() if not lines] == []
    for verb, lines in of_verb.items():
        called = [_words(line)[0] for line in lines]
        assert verb in called, f"no example of {verb} calls it: {lines}"


def _words(line: str) -> list[str]:
    """A command line as `detbench` takes it; a parser's script stands for its verb."""
    program, *words = shlex.split(line)
    if program == "python":
        script = ROOT / words[0]
        (verb,) = re.findall(r'^start\("(.+)"\)$', script.read_text(), re.MULTILINE)
        return [verb, *words[1:]]
    assert program == "detbench", line
    return words


@pytest.mark.parametrize("line", [*dict.fromkeys(examples())])
def test_every_example_runs(line: str, workspace: Path) -> None:
    words = _words(line)
    why = [reason for name, reason in ONLY_PARSED.items() if shlex.join(words).startswith(name)]
    if why:
        assert _parses(words)
        return
    _prepare(workspace, words)
    if words[0] in TRAINS and "--dry-run" not in words:
        words.append("--dry-run")
    done = detbench(*words)
    # What this machine lacks is told by the doctor with a code of its own.
    assert done.code in ((0, 3) if words[0] in ("doctor", "setup") else (0,)), done.err
    if "--output" in words:
        assert Path(words[words.index("--output") + 1]).stat().st_size
    else:
        assert (done.out + done.err).strip()  # without a GPU `gpus` has but a note


def _parses(words: list[str]) -> bool:
    verb = command(words[0])
    if isinstance(verb, click.Group):
        verb, words = verb.commands[words[1]], words[1:]
    return bool(verb.make_context(words[0], words[1:]))


def _prepare(workspace: Path, words: list[str]) -> None:
    """What the example takes for given."""
    if words[:2] == ["profile", "maskrcnn"]:
        assert detbench("switch", "maskrcnn", words[2]).code == 0
    if words[0] == "eval":
        (workspace / "model_final.pth").write_bytes(b"weights")
    if words[0] == "results":
        keep(workspace / "results", SPEC, 0)
    if words[0] in ("compare", "report"):
        keep_runs(workspace / "results-before", runs(FAST))
        keep_runs(workspace / "results-after", runs(FAST))
        for profile, driver in (("1-10C", "535.104"), ("2-20C", "550.54"), ("7-80C", "550.54")):
            own = runs(FAST, gpu_profile=f"A100D-{profile}", environment={"gpu_driver": driver})
            keep_runs(workspace / "results", own)
    if words[:2] == ["data", "verify"]:
        words[2] = tiny_dataset(workspace / "mine")


def tiny_dataset(folder: Path) -> str:
    from PIL import Image

    for split in ("train", "val"):
        (folder / f"{split}2017").mkdir(parents=True)
        Image.new("RGB", (8, 6)).save(folder / f"{split}2017/1.jpg")
        content = {
            "images": [{"id": 1, "file_name": "1.jpg", "width": 8, "height": 6}],
            "categories": [{"id": 1, "name": "disk"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16,
                 "iscrowd": 0, "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]]}
            ],
        }  # fmt: skip
        (folder / "annotations").mkdir(exist_ok=True)
        path = folder / f"annotations/instances_{split}2017.json"
        path.write_text(json.dumps(content))
    return str(folder)


def test_the_flags_are_those_agreed_on() -> None:
    """Growth is a decision: whoever changes a flag changes the list as well."""
    how = "if that is meant: python -m tests.unit.cli_flags > tests/unit/cli_flags.txt"
    assert flags() == FROZEN.read_text().splitlines(), how


PRINTS_TABLES = [
    ("families",), ("models", "maskrcnn"), ("status",), ("setup", "maskrcnn"),
    ("doctor", "maskrcnn"), ("gpus",), ("gpus", "--catalogue", "A100"),
    ("fit", "faster_rcnn", "--gpu-profile", "A100D-2-20C", "--models", "faster_rcnn_R_50_FPN_1x"),
    ("fit", "faster_rcnn", "--gpu-profile", "A100D-2-20C", "--models", "faster_rcnn_R_50_FPN_1x",
     "--batch-sizes", "2,4"),
    ("sweep", "maskrcnn", "--dry-run"), ("core-util", "results/nsight_bs2.csv"),
    ("compute-util", "trace.json"), ("compute-util", "trace.json", "--device", "cpu"),
    ("memory-util", "results/memory_csv_data/memory_bs4.csv"),
    ("monitor-util", "monitoring.csv"), ("throughput-util", "log.txt"),
    ("throughput-util", "log.txt", "--by", "evaluation"),
    ("throughput-util", "log.txt", "--target", "box=37.7,mask=33.9"), ("results",),
    ("compare", "results-before", "results-after"),
    ("results", "--verify"), ("results", "--sql", "select 1 as one"), ("data", "verify", "MINE"),
]  # fmt: skip


@pytest.mark.parametrize("words", PRINTS_TABLES, ids=" ".join)
def test_json_is_all_of_stdout(words: tuple[str, ...], workspace: Path) -> None:
    if words[0] == "compare":
        _prepare(workspace, [*words])
    if "MINE" in words:
        words = (*words[:-1], tiny_dataset(workspace / "mine"))
    done = detbench(*words, "--json")
    assert done.code in ((0, 3) if words[0] in ("doctor", "setup") else (0,)), done.err
    told = json.loads(done.out)
    # One object where there are several tables.
    several = {"compare": ["verdicts"], "monitor-util": ["quantity", "gpu"]}
    several["compute-util"] = ["device", "class", "kernel"]
    tables = [told[name] for name in several[words[0]]] if words[0] in several else [told]
    for rows in tables:
        assert isinstance(rows, list)
        assert all(isinstance(row, dict) for row in rows)
    assert detbench(*words, "--format", "json").out.splitlines()[:1] == done.out.splitlines()[:1]


def test_json_is_offered_wherever_a_table_is_printed() -> None:
    offered = {line.split("  ")[0] for line in flags() if line.endswith("  --json")}
    # Those that train print theirs in tests/integration.
    assert offered == {"data verify" if w[0] == "data" else w[0] for w in PRINTS_TABLES} | {
        *TRAINS,
        "gpu-check",
    }


def test_two_formats_at_once_are_refused(workspace: Path) -> None:
    detbench("families", "--json", "--format", "csv").refused(2, "--json and --format csv")
    detbench("families", "--format", "csv", "--json").refused(2, "--json and --format csv")


# What is said beside the results.


@pytest.mark.parametrize("where", ["before", "after"])
def test_quiet_leaves_results_and_errors_only(where: str, workspace: Path) -> None:
    words = ("gpus", "--catalogue", "A100")
    usual = detbench(*words)
    assert "source: " in usual.err
    quiet = detbench("--quiet", *words) if where == "before" else detbench(*words, "--quiet")
    assert (quiet.out, quiet.err) == (usual.out, "")
    detbench("models", "yolo", "--quiet").refused(2, "no family 'yolo'")
    detbench("--quiet", "models", "--nosuch").refused(2, "No such option")
    assert "source: " in detbench(*words).err  # the next one is as usual


def test_verbose_tells_the_commands_that_are_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nsys, report = tmp_path / "nsys", tmp_path / "x.nsys-rep"
    nsys.write_text("#!/bin/sh\necho no report >&2\n")
    nsys.chmod(0o755)
    report.write_bytes(b"\x00\x01\x02")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    detbench("compute-util", report).refused(5, "nsys export failed: no report")
    for words in (("--verbose", "compute-util", report), ("compute-util", report, "--verbose")):
        first, last = detbench(*words).err.splitlines()
        assert first.startswith(f"runs {nsys} export --type sqlite --output ")
        assert "nsys export failed" in last


def test_both_at_once_are_refused() -> None:
    detbench("--quiet", "families", "--verbose").refused(2, "--quiet and --verbose")


def test_colours_are_for_terminals_that_want_them(workspace: Path) -> None:
    words = [sys.executable, "-m", "detbench", "families"]
    usual = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm-256color"}
    assert "\x1b[" in _on_a_terminal(words, usual)
    plain = _on_a_terminal(words, {**usual, "NO_COLOR": "1"})
    assert "\x1b[" not in plain
    assert "maskrcnn" in plain
    piped = subprocess.run(words, capture_output=True, text=True, check=True, env=usual)
    assert "\x1b[" not in piped.stdout


def _on_a_terminal(words: list[str], environment: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdout=theirs, stderr=subprocess.PIPE, env=environment):
        os.close(theirs)
        found = b""
        try:
            while block := os.read(ours, 1 << 16):
                found += block
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    return found.decode()


# What a shell offers.


@pytest.mark.parametrize(
    ("typed", "begun", "offered"),
    [
        ([], "sw", ["switch", "sweep"]),
        (["models"], "", ["efficientdet", "faster_rcnn", "maskrcnn"]),
        (["switch", "maskrcnn"], "n", ["noprofile", "nvprof", "nsight"]),
        (["run", "maskrcnn", "--mode"], "m", ["memory"]),
        (["run", "maskrcnn", "--model"], "panoptic_fpn_R_18", ["panoptic_fpn_R_18_tiny"]),
        (["run", "maskrcnn", "--model"], "rpn_R_50_C4", []),  # it is Faster R-CNN's
        (["sweep", "faster_rcnn", "--models"], "fpn,rpn_R_50_C4", ["fpn,rpn_R_50_C4_1x"]),
        (["fit", "maskrcnn", "--gpu-profile"], "A100D-2-", ["A100D-2-20C"]),
        (["run", "maskrcnn"], "--batch", ["--batch-sizes"]),
    ],
)
def test_completion(typed: list[str], begun: str, offered: list[str]) -> None:
    complete = BashComplete(cli, {}, "detbench", "_DETBENCH_COMPLETE")
    found = [item.value for item in complete.get_completions(typed, begun)]
    assert [name for name in found if name in offered or not offered] == offered


def test_bash_completes_as_the_help_says(tmp_path: Path) -> None:
    (line,) = re.findall(r"^\s+(eval \".*)$", detbench("--help").out, re.MULTILINE)
    program = tmp_path / "detbench"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m detbench "$@"\n')
    program.chmod(0o755)
    script = f"""{line}
COMP_WORDS=(detbench switch mask) COMP_CWORD=2
_detbench_completion detbench
echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert done.stdout == "maskrcnn\n", done.stderr
