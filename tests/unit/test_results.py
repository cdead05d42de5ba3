import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from detbench.errors import BadFileError, MissingError
from detbench.records import store
from detbench.records.modes import MODES
from detbench.records.spec import RunRecord, RunSpec, Status
from detbench.running.plan import Request, plan
from detbench.suite import load_family
from tests.conftest import ROOT

NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
SPEC = plan(load_family("maskrcnn"), MODES["memory"], Request(), None, purpose="window")[0]
FILE = "memory_csv_data/memory_bs4.csv"


def record(folder: Path, spec: RunSpec = SPEC, status: Status = "ok") -> RunRecord:
    return RunRecord(
        spec=spec,
        spec_sha256=spec.digest(),
        status=status,
        command=("python",),
        exit_code=0,
        started=NOON,
        ended=NOON,
        measurements=store.measurements_in(folder),
    )


def kept(root: Path, content: str = "x", status: Status = "ok") -> Path:
    folder = store.begin(root, SPEC)
    (folder / FILE).parent.mkdir()
    (folder / FILE).write_text(content)
    return store.keep(folder, record(folder, status=status))


def test_a_run_is_kept_under_its_name_with_its_hashes(tmp_path: Path) -> None:
    folder = kept(tmp_path)
    assert folder == tmp_path / "cpu/mask_rcnn_R_18_FPN_tiny_bs4_memory_20261124T120000Z"
    found = store.read_record(folder / "run.json")
    assert found.measurements[0].path == FILE
    # sha256 of the letter x
    assert found.measurements[0].sha256.startswith("2d711642b726b044")


def test_two_runs_of_one_second_are_both_kept(tmp_path: Path) -> None:
    first, second = kept(tmp_path, "a"), kept(tmp_path, "b")
    assert first != second
    assert (first / FILE).read_text() == "a"
    assert (second / FILE).read_text() == "b"


def test_the_flat_path_points_to_the_newest_and_nothing_is_lost(tmp_path: Path) -> None:
    first, second = kept(tmp_path, "a"), kept(tmp_path, "b")
    store.link_latest(tmp_path, first / FILE)
    flat = store.link_latest(tmp_path, second / FILE)
    assert flat == tmp_path / FILE
    assert flat.read_text() == "b"
    assert (first / FILE).read_text() == "a"


def test_a_users_own_file_is_not_replaced_by_a_link(tmp_path: Path) -> None:
    own = tmp_path / FILE
    own.parent.mkdir()
    own.write_text("mine")
    store.link_latest(tmp_path, kept(tmp_path, "a") / FILE)
    assert own.read_text() == "mine"


def test_resume_finds_a_good_run_of_the_same_spec_only(tmp_path: Path) -> None:
    kept(tmp_path, status="failed")
    assert store.find_ok(tmp_path, SPEC) is None
    good = kept(tmp_path)
    found = store.find_ok(tmp_path, SPEC)
    assert found is not None
    assert found[0] == good
    assert store.find_ok(tmp_path, SPEC.model_copy(update={"seed": 7})) is None


def test_a_run_that_is_still_going_is_not_listed(tmp_path: Path) -> None:
    store.begin(tmp_path, SPEC)
    assert list(store.all_runs(tmp_path)) == []


def test_a_damaged_record_is_refused_with_its_place(tmp_path: Path) -> None:
    path = kept(tmp_path) / "run.json"
    path.write_text(path.read_text().replace('"ok"', '"splendid"'))
    with pytest.raises(BadFileError, match=r"run\.json, status: not a run record"):
        store.read_record(path)


def test_a_results_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MissingError, match="cannot be written"):
        store.begin(tmp_path / "file", SPEC)


def unfinished(root: Path, name: str, checkpoint: str, status: str = "interrupted") -> Path:
    folder = root / "cpu" / name
    folder.mkdir(parents=True)
    (folder / "last_checkpoint").write_text(checkpoint)
    (folder / checkpoint).write_bytes(b"weights")
    (folder / "metrics.json").write_text("{}\n")
    moment = datetime.now(timezone.utc)
    record = RunRecord(
        spec=SPEC, spec_sha256=SPEC.digest(), status=status,  # type: ignore[arg-type]
        command=(), exit_code=1, started=moment, ended=moment,
    )  # fmt: skip
    (folder / "run.json").write_text(record.model_dump_json())
    return folder


def test_an_unfinished_training_is_found_by_its_spec_and_checkpoint(tmp_path: Path) -> None:
    assert store.find_unfinished(tmp_path, SPEC) is None
    unfinished(tmp_path, "ended", "model_final.pth", "failed")  # nothing can go on from that
    unfinished(tmp_path, "good", "model_0000009.pth", "ok")
    assert store.find_unfinished(tmp_path, SPEC) is None
    stopped = unfinished(tmp_path, "stopped", "model_0000019.pth")
    assert store.find_unfinished(tmp_path, SPEC) == stopped
    other = SPEC.model_copy(update={"seed": 5})
    assert store.find_unfinished(tmp_path, other) is None


def test_what_is_gone_on_with_is_copied_and_stays(tmp_path: Path) -> None:
    stopped = unfinished(tmp_path, "stopped", "model_0000019.pth")
    folder = tmp_path / "new"
    folder.mkdir()
    store.inherit(folder, stopped)
    assert {p.name for p in folder.iterdir()} == {
        "last_checkpoint", "metrics.json", "model_0000019.pth",
    }  # fmt: skip
    (folder / "metrics.json").write_text("more")
    assert (stopped / "metrics.json").read_text() == "{}\n"
    assert not store.has_iterations(folder)
    (folder / "iterations.csv").write_text("iteration,time (s)\n")
    assert not store.has_iterations(folder)
    (folder / "iterations.csv").write_text("iteration,time (s)\n0,1\n")
    assert store.has_iterations(folder)


def test_a_run_that_was_killed_with_its_host_is_found_too(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from detbench.records import store;"
        "from detbench.records.spec import RunSpec; root, spec = sys.argv[1:];"
        "folder = store.begin(Path(root), RunSpec.model_validate_json(spec));"
        "(folder / store.SPEC).write_text(spec);"
        "(folder / 'last_checkpoint').write_text('model_0000009.pth'); print(folder)"
    )
    command = [sys.executable, "-c", code, str(tmp_path), SPEC.model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert store.find_unfinished(tmp_path, SPEC) == Path(done.stdout.strip())
