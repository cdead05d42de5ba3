"""The Python API over files and kept runs: what it returns, and that it never prints."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import make_ncu_log
import pandas as pd
import pytest

import detbench
from tests.builders import MONITORING
from tests.conftest import ROOT
from tests.unit.api_names import names
from tests.unit.in_process import detbench as command
from tests.unit.test_results import SPEC
from tests.unit.test_results_verb import keep

FROZEN = ROOT / "tests/unit/api_names.txt"
ATTRS = {"kind", "title", "window", "denominator", "count", "units", "notes"}
TRACE = "results/torch_bs4.pt.trace.json.gz"


def test_the_public_names_are_frozen() -> None:
    how = "if that is meant: python -m tests.unit.api_names > tests/unit/api_names.txt"
    assert names() == FROZEN.read_text().splitlines(), how
    assert set(detbench.__all__) <= set(dir(detbench))


def test_the_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, detbench;"
        "heavy = {'pandas', 'numpy', 'torch', 'pydantic', 'click', 'yaml', 'docker'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "detbench.BadFileError; assert 'pandas' not in sys.modules;"
        "assert callable(detbench.read) and 'pandas' in sys.modules;"
        "assert 'torch' not in sys.modules and 'docker' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_room_hides_a_function() -> None:
    """A package `detbench.X` would take the place of the function X once it is imported."""
    rooms = {path.stem for path in (ROOT / "detbench").iterdir()}
    assert not rooms & set(detbench.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'reed'"):
        detbench.reed  # noqa: B018


@pytest.mark.parametrize(
    ("file", "kind", "tool", "tables"),
    [
        (TRACE, "timeline", "PyTorch profiler (Kineto)", {"activities", "ranges", "launches"}),
        ("results/nsight_bs2.csv", "counters", "Nsight Compute", {"launches"}),
        ("results/memory_csv_data/memory_bs4.csv", "memory", "detbench", {"parts"}),
        ("monitoring.csv", "monitoring", "detbench", {"samples"}),
        ("results/cpu/m_bs4_noprofile_1/metrics.json", "training history",
         "detectron2 (metrics.json)", {"reports", "curves", "evaluations"}),
    ],
)  # fmt: skip
def test_read_tells_what_a_file_is(
    workspace: Path, file: str, kind: str, tool: str, tables: set[str]
) -> None:
    renamed = workspace / "file"  # its name tells nothing
    (workspace / file).rename(renamed)
    found = detbench.read(renamed)
    assert (found.kind, found.source.tool, set(found.tables)) == (kind, tool, tables)
    assert found.path == renamed
    assert found.source.window


def test_a_table_of_a_recording_does_not_look_at_the_file_again(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To identify a long log takes as long as to read it, and a table needs only its window."""
    found = detbench.read(workspace / "results/cpu/m_bs4_noprofile_1/metrics.json")
    expected = found.source.window
    again = detbench.read(found.path, "training history")

    def fail(path: Path) -> None:
        raise AssertionError(f"{path} was identified")

    monkeypatch.setattr("detbench.readers.identity.identify", fail)
    assert detbench.evaluations(again).attrs["window"] == expected


def test_what_is_read_is_what_the_readers_schema_says(workspace: Path) -> None:
    from detbench.readers.timeline import ACTIVITIES

    table = detbench.read(TRACE).tables["activities"]
    names = [column.name for column in ACTIVITIES.columns]
    assert list(table.columns[: len(names)]) == names
    kernels = table[table["kind"] == "kernel"]
    assert len(kernels) == 20
    assert kernels["duration (ns)"].dtype == "int64"


@pytest.mark.parametrize(
    "content",
    ["", "hello\n", "a,b\n1,2\n", '{"a": 1}\n{"b": 2}\n', "\x00\x01", "[05/23 10:00:00] hello\n"],
)
def test_what_is_nothing_known_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "file"
    file.write_text(content)
    with pytest.raises(detbench.BadFileError) as refused:
        detbench.read(file)
    assert refused.value.path == file
    assert refused.value.remedy
    assert str(refused.value).startswith(str(file))


def test_a_bad_file_says_where_and_what_to_do(workspace: Path) -> None:
    file = workspace / "monitoring.csv"
    file.write_text(MONITORING.rstrip("\n") + "\n1,2\n")
    with pytest.raises(detbench.BadFileError) as refused:
        detbench.monitoring(file)
    error = refused.value
    assert error.path == file
    assert error.place == f"line {len(file.read_text().splitlines())}"
    assert error.problem == "the row is cut short"
    assert error.remedy
    assert str(error) == f"{file}, {error.place}: {error.problem}; {error.remedy}"


def test_a_file_of_another_kind_is_refused(workspace: Path) -> None:
    with pytest.raises(detbench.UsageError, match="is of kind 'memory', not 'counters'"):
        detbench.core_utilization(detbench.read("results/memory_csv_data/memory_bs4.csv"))
    with pytest.raises(detbench.UsageError, match="no kind of file 'picture'"):
        detbench.read("monitoring.csv", "picture")  # type: ignore[arg-type]


TABLES: list[tuple[Callable[..., pd.DataFrame], dict[str, object], tuple[str, ...]]] = [
    *(
        (detbench.compute_utilization, {"files": TRACE, "by": by},
         ("compute-util", TRACE, "--by", by, "--top", "1000"))
        for by in ("device", "class", "kernel", "stream", "iteration", "range", "gap",
                   "communication", "definition")
    ),
    *(
        (detbench.core_utilization, {"files": "results/nsight_bs2.csv", "by": by},
         ("core-util", "results/nsight_bs2.csv", "--by", by, "--top", "1000"))
        for by in ("file", "device", "class", "kernel")
    ),
    *(
        (detbench.memory, {"files": "results/memory_csv_data/memory_bs4.csv", "by": by},
         ("memory-util", "results/memory_csv_data/memory_bs4.csv", "--by", by, "--top", "1000"))
        for by in ("category", "module", "phase", "batch-size")
    ),
    *(
        (detbench.monitoring, {"files": "monitoring.csv", "by": by},
         ("monitor-util", "monitoring.csv", "--by", by))
        for by in ("gpu", "quantity")
    ),
    (detbench.throughput, {"files": "log.txt", "batch_size": 4},
     ("throughput-util", "log.txt", "--batch-size", "4")),
    (detbench.evaluations, {"files": "log.txt"}, ("throughput-util", "log.txt", "--by",
                                                  "evaluation")),
    (detbench.time_to_train, {"files": "log.txt", "target": {"box": 37.7}},
     ("throughput-util", "log.txt", "--target", "box=37.7")),
    (detbench.fit, {"family": "faster_rcnn", "gpu_profile": "A100D-2-20C"},
     ("fit", "faster_rcnn", "--gpu-profile", "A100D-2-20C")),
    (detbench.fit, {"family": "faster_rcnn", "gpu_profile": "A100D-2-20C", "batch_size": [2, 4]},
     ("fit", "faster_rcnn", "--gpu-profile", "A100D-2-20C", "--batch-sizes", "2,4")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "arguments", "line"), TABLES, ids=[" ".join(line) for *_, line in TABLES]
)
def test_a_table_is_the_command_lines_and_says_what_it_is_of(
    workspace: Path,
    capsys: pytest.CaptureFixture[str],
    function: Callable[..., pd.DataFrame],
    arguments: dict[str, object],
    line: tuple[str, ...],
) -> None:
    table = function(**arguments)
    assert capsys.readouterr() == ("", "")
    assert set(table.attrs) == ATTRS
    assert all(table.attrs[name] for name in ("kind", "title", "window", "denominator", "count"))
    assert set(table.attrs["units"]) <= set(table.columns)
    printed = command(*line, "--json").rows()
    assert len(printed) == len(table)
    for row, (_, own) in zip(printed, table.iterrows(), strict=True):
        assert list(row) == list(table.columns)
        for name, value in row.items():
            if isinstance(value, float):
                assert math.isclose(value, own[name], rel_tol=1e-9)
            else:
                assert value is None or str(value) == str(own[name])


def test_units_are_those_of_the_columns_names(workspace: Path) -> None:
    units = detbench.compute_utilization(TRACE).attrs["units"]
    assert units["busy (%)"] == "%"
    assert units["window (ms)"] == "ms"
    assert "window" not in units
    speed = detbench.throughput("log.txt", batch_size=4).attrs["units"]
    assert speed["images/s"] == "images/s"


def test_what_is_missing_is_explained(workspace: Path) -> None:
    log = workspace / "results/nsight_bs2.csv"
    kept = [line for line in log.read_text().splitlines() if "pipe_xu" not in line]
    log.write_text("\n".join(kept) + "\n")
    table = detbench.core_utilization(log)
    assert pd.isna(table["sfu (%)"].iloc[0])
    (note,) = (note for note in table.attrs["notes"] if note.startswith("sfu: "))
    assert "sm__inst_executed_pipe_xu" in note
    assert table["fma (%)"].iloc[0] == pytest.approx(make_ncu_log.expected(20)["fma"])
    unknown = detbench.throughput("log.txt")
    size, medians = unknown.attrs["notes"]
    assert size.startswith("images/s is n/a: the batch size of log.txt is unknown")
    assert "medians" in medians


def test_several_files_are_one_table(workspace: Path) -> None:
    (workspace / "second.json").write_bytes((workspace / "trace.json").read_bytes())
    both = detbench.compute_utilization(["trace.json", detbench.read("second.json")])
    assert both["file"].tolist() == ["trace.json", "second.json"]
    assert both["busy (%)"].nunique() == 1
    assert both.attrs["count"] == "40 kernels"


def test_a_recording_is_not_read_again(workspace: Path) -> None:
    trace = detbench.read("trace.json")
    Path("trace.json").unlink()
    assert len(detbench.compute_utilization(trace, by="range"))
    assert len(detbench.compute_utilization(trace, by="device")) == 1


def test_a_recording_without_launches_is_read_again_for_them(workspace: Path) -> None:
    trace = detbench.read("trace.json", launches=False)
    assert set(trace.tables) == {"activities", "ranges"}
    assert len(detbench.compute_utilization(trace, by="range"))


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        (detbench.compute_utilization, {"files": TRACE, "by": "colour"}, "no table by 'colour'"),
        (detbench.compute_utilization, {"files": TRACE, "device": "7"}, "has no device '7'"),
        (detbench.compute_utilization, {"files": []}, "no file was given"),
        (detbench.core_utilization, {"files": "results/nsight_bs2.csv", "by": "x"}, "no table by"),
        (detbench.memory, {"files": "results/memory_csv_data/memory_bs4.csv", "phase": "x"},
         "has no phase 'x'"),
        (detbench.monitoring, {"files": "monitoring.csv", "device": "9"}, "has no GPU '9'"),
        (detbench.fit, {"family": "yolo"}, "no family 'yolo'"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(
    workspace: Path,
    function: Callable[..., object],
    arguments: dict[str, object],
    words: str,
) -> None:
    with pytest.raises(detbench.UsageError, match=words):
        function(**arguments)


def test_kept_runs(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = keep(workspace / "results", SPEC, 0)
    table = detbench.runs("results")
    assert table["run"].tolist() == ["/".join(("results", *folder.parts[-2:]))]
    assert table["model"].tolist() == [SPEC.model]
    assert len(detbench.runs("results", model=[SPEC.model], status="ok")) == len(table)
    empty = detbench.runs("results", model="no such")
    assert empty.attrs["notes"] == ["results holds no such run"]
    counted = detbench.runs("results", sql="select count(*) as n from runs")
    assert counted["n"].tolist() == [1]
    path, record = detbench.load(folder.name, "results")
    assert path.resolve() == folder.resolve()
    assert record.spec == SPEC
    assert detbench.load(folder)[1] == record
    with pytest.raises(detbench.UsageError, match="has no run 'nothing'"):
        detbench.load("nothing", "results")
    assert detbench.verify("results")["problem"].tolist().count("") == len(
        detbench.verify("results")
    )
    assert capsys.readouterr() == ("", "")


def test_a_page_and_its_events(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(workspace / "results", SPEC, 0)
    events: list[object] = []
    page = detbench.report("results", "page.html", on_event=events.append)
    assert (page.num_runs, page.path) == (1, Path("page.html"))
    assert page.num_bytes == Path("page.html").stat().st_size
    assert events[0] == {"event": "found", "runs": 1}
    with pytest.raises(detbench.UsageError, match=r"page\.html exists already"):
        detbench.report("results", "page.html")
    assert capsys.readouterr() == ("", "")
