"""`memory-util` on our own files: phases, modules, batch sizes, the picture, the wide form."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from detbench.cli.parse.memory import memory_util
from detbench.errors import BadFileError, DetbenchError, UsageError
from detbench.readers.memory_file import read_memory
from detbench.utilization import memory
from tests.builders import MEMORY, MEMORY_CURVE
from tests.conftest import Run, assert_refused
from tests.needed import package

MIB = 2**20


def parts(batch_size: int) -> str:
    """An iteration that holds 10 MiB of weights, 3 MiB an image and 1 MiB besides."""
    held = {
        "weights,conv1": 10 * MIB,
        "activations,conv1": 3 * MIB * batch_size + MIB,
        "unattributed,(process)": 100 * MIB,
    }
    rows = "".join(f"3,forward,{what},{size}\n" for what, size in held.items())
    return f"iteration,phase,category,module,bytes\n{rows}3,forward,total,,{sum(held.values())}\n"


def table(*arguments: str | Path) -> list[dict[str, Any]]:
    """The verb's rows."""
    words = [*map(str, arguments), "--format", "json"]
    done = CliRunner().invoke(memory_util, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def refused(kind: type[DetbenchError], *arguments: str | Path) -> str:
    """The line that the verb ends in."""
    with pytest.raises(kind) as raised:
        table(*arguments)
    return str(raised.value)


def test_the_peak_is_when_tensors_held_most(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    # The process's memory is highest in forward, where tensors hold less.
    path.write_text(MEMORY.replace("(process),1000", "(process),9000").replace(",2000", ",10000"))
    assert set(memory.peak(read_memory(path))["phase"]) == {"backward"}


def test_modules_have_their_share_of_forward_and_backward(tmp_path: Path) -> None:
    (tmp_path / "memory_bs4.csv").write_text(MEMORY)
    found = table(tmp_path / "memory_bs4.csv", "--by", "module")
    held = {
        (row["module"], row["category"]): (row["forward (MiB)"], row["backward (MiB)"])
        for row in found
    }
    assert held["fc", "gradients"] == (0, pytest.approx(2800 / MIB))
    assert held["conv1", "activations"] == (pytest.approx(600 / MIB), 0)  # not at the peak


def test_one_phase_alone(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(MEMORY)
    found = {r["category"]: r["memory (MiB)"] for r in table(path, "--phase", "forward")}
    assert found["activations"] == pytest.approx(600 / MIB)
    line = refused(UsageError, path, "--phase", "nap")
    assert "no phase 'nap'; it has: forward, backward" in line


def test_batch_sizes_side_by_side(tmp_path: Path) -> None:
    files = []
    for batch_size in (8, 2):  # of two processes, as its run says
        folder = tmp_path / f"run{batch_size}"
        folder.mkdir()
        spec = {"model": "net", "batch_size": 2 * batch_size, "num_processes": 2}
        (folder / "run.json").write_text(json.dumps({"spec": spec}))
        files.append(folder / "memory_csv_data" / f"memory_bs{2 * batch_size}.csv")
        files[-1].parent.mkdir()
        files[-1].write_text(parts(batch_size))
    named = tmp_path / "memory_bs4.csv"
    named.write_text(parts(4))
    found = {r["category"]: r for r in table(*files, named, "--by", "batch-size")}
    for category, sizes, slope, fixed in (
        ("activations", (7, 13, 25), 3, 1),
        ("weights", (10, 10, 10), 0, 10),
        ("tracked", (17, 23, 35), 3, 11),
        ("total", (117, 123, 135), 3, 111),
    ):
        row = found[category]
        assert [row[f"batch size {size} (MiB)"] for size in (2, 4, 8)] == pytest.approx(sizes)
        assert row["per image (MiB)"] == pytest.approx(slope)
        assert row["fixed (MiB)"] == pytest.approx(fixed)
        assert row["largest miss (MiB)"] == pytest.approx(0, abs=1e-9)
    alone = table(named, "--by", "batch-size")
    assert set(alone[0]) == {"category", "batch size 4 (MiB)"}


def test_batch_sizes_that_cannot_be_compared(tmp_path: Path) -> None:
    def made(name: str, model: str = "") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(parts(4))
        if model:
            spec = {"model": model, "batch_size": len(model)}
            (path.parent / "run.json").write_text(json.dumps({"spec": spec}))
        return path

    def line(*files: Path) -> str:
        return refused(UsageError, *files, "--by", "batch-size")

    unnamed, named = made("m.csv"), made("memory_bs4.csv")
    assert f"the batch size of {unnamed} is unknown" in line(unnamed)
    again = made("again/memory_bs4.csv")
    assert f"{named} and {again} both have batch size 4" in line(named, again)
    one, other = made("one/m.csv", "net"), made("other/m.csv", "other")
    assert f"different models: {one} of net, {other} of other" in line(one, other)


def test_the_picture_of_the_timeline(parser: Run, tmp_path: Path) -> None:
    package("matplotlib", "bash scripts/make_venv.sh train test")
    run = tmp_path / "run" / "memory_csv_data"
    run.mkdir(parents=True)
    (run / "memory_bs4.csv").write_text(MEMORY)
    (run / "timeline_bs4.csv").write_text(MEMORY_CURVE)
    link = tmp_path / "memory_bs4.csv"  # as results/memory_csv_data has it
    link.symlink_to(run / "memory_bs4.csv")
    picture = tmp_path / "memory.png"
    done = parser("memory_util.py", link, "--timeline", picture)
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    before = picture.read_bytes()
    done = parser("memory_util.py", link, "--timeline", picture)
    assert_refused(done, 2, f"{picture} cannot be written: File exists")
    assert picture.read_bytes() == before
    (run / "timeline_bs4.csv").unlink()
    line = refused(UsageError, link, "--timeline", tmp_path / "other.png")
    assert "has no timeline_bs4.csv beside it; track again: bash switch.sh memory" in line


def test_what_the_picture_shows(tmp_path: Path) -> None:
    package("matplotlib", "bash scripts/make_venv.sh train test")
    from matplotlib.figure import Figure

    from detbench.readers.memory_curve import read_memory_curve
    from detbench.reporting.memory_picture import draw_timeline

    path = tmp_path / "timeline_bs4.csv"
    path.write_text(MEMORY_CURVE)
    axis = Figure().subplots()
    draw_timeline(axis, read_memory_curve(path), "net, batch size 4")
    assert axis.get_title() == "net, batch size 4"
    (note,) = axis.texts
    tracked = 400 + 400 + 900 + 100 + 90 + 20
    assert note.get_text() == f"peak {tracked / 1024:,.1f} MiB, forward, iteration 3"
    assert note.xy == pytest.approx((30 / 1e6, tracked / 1024))
    labels = axis.get_legend_handles_labels()[1]
    assert "buffers" not in labels  # there are none
    assert "allocated" in labels
    assert any(label.startswith("(device used, not drawn") for label in labels)


def test_a_timeline_is_read_by_itself_too(tmp_path: Path) -> None:
    path = tmp_path / "timeline_bs4.csv"
    path.write_text(MEMORY_CURVE)
    found = {row["category"]: row["memory (MiB)"] for row in table(path)}
    assert found["activations"] == pytest.approx(900 / 1024)  # the peak of tensors is in forward
    assert sum(found.values()) == pytest.approx(3570 / 1024)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("3,forward,30", "3,forward,x", "line 3: time (ns) is not a whole number"),
        ("921600", "921601", "line 3: the row does not add up to its total"),
        ("others (bytes)", "rest (bytes)", "the header is not that"),
        (MEMORY_CURVE[MEMORY_CURVE.index("\n") + 1 :], "", "no row in it"),
    ],
)
def test_a_damaged_timeline(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "timeline_bs4.csv"
    path.write_text(MEMORY_CURVE.replace(old, new))
    line = refused(BadFileError, path)
    assert str(path) in line
    assert words in line


GPU = """iteration,phase,category,module,bytes
0,forward,weights,conv,40000000
0,forward,weights,"head,1",2400000
0,forward,activations,conv,300000000
0,forward,gradients,conv,40000000
0,forward,inputs,,7000000
0,forward,unattributed,(inside operators),50000000
0,forward,unattributed,(rounded up by the allocator),600000
0,forward,unattributed,(cached by the allocator),100000000
0,forward,unattributed,(outside the allocator),500000000
0,forward,total,,1040000000
0,backward,weights,conv,1
0,backward,total,,1
1,backward,weights,conv,40000000
1,backward,total,,40000000
"""


def test_the_wide_form_reads_back_with_the_same_sums(tmp_path: Path) -> None:
    path, target = tmp_path / "memory_bs4.csv", tmp_path / "wide.csv"
    path.write_text(GPU)
    table(path, "--wide", target)
    assert target.read_text().splitlines() == [
        "epoch,iteration,peak_allocated,peak_cached,current_cached,total_activation_usage,"
        'total_weight_usage,conv,"head,1",total_gradient_usage,conv_grad',
        # Allocated: 389.4 MB of tensors, 50 in operators, 0.6 of rounding; reserved 100 more.
        "1,0,440,540,540,300,42,40,2,40,40",
        "1,1,40,40,40,0,40,40,0,0,0",
    ]
    back = read_memory(target)
    at = back[back["iteration"] == 0].groupby("category")["bytes"].sum().to_dict()
    rest = (440 - 300 - 42 - 40) * 10**6
    assert at == {
        "activations": 300_000_000,
        "weights": 42_000_000,
        "gradients": 40_000_000,
        "unattributed": rest,
    }
    assert "File exists" in refused(UsageError, path, "--wide", target)
    other = tmp_path / "other.csv"
    line = refused(UsageError, target, "--wide", other)
    assert f"{target} is not a memory CSV of detbench" in line
    assert "--wide takes one FILE" in refused(UsageError, path, target, "--wide", other)
    assert not other.exists()
