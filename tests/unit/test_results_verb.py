"""`detbench results`: what is kept is listed, exported, queried and checked, and never changed."""

import json
import re
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from detbench.errors import BadFileError
from detbench.records import spec, store
from detbench.records import versions as record_versions
from detbench.records.spec import RunRecord, RunSpec, Throughput
from detbench.reporting.run_table import RUNS
from tests.conftest import ROOT
from tests.unit.in_process import Ran, detbench
from tests.unit.test_results import FILE, NOON, SPEC

FIRST = ROOT / "tests/unit/records/first_of_version_1.json"
SPEED = Throughput(
    images_per_second=12.5, images=100, seconds=8, num_iterations=25, first_iteration=5,
    batch_size=4, iteration_seconds_median=0.3, iteration_seconds_p10=0.2,
    iteration_seconds_p90=0.5, data_wait_share=0.25, energy_joules=2500,
    energy_source="energy counter",
)  # fmt: skip


def keep(root: Path, spec: RunSpec, number: int, **more: object) -> Path:
    folder = store.begin(root, spec)
    (folder / FILE).parent.mkdir()
    (folder / FILE).write_text(f"run {number}")
    moment = NOON + timedelta(minutes=number)
    record = RunRecord(
        spec=spec, spec_sha256=spec.digest(), command=("python", "a b"), exit_code=0,
        measurements=store.measurements_in(folder),
        **{"status": "ok", "started": moment, "ended": moment + timedelta(seconds=60), **more},
    )  # type: ignore[arg-type] # fmt: skip
    return store.keep(folder, record)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A good run in mode memory, one of another batch size that ran out of memory, and AP."""
    root = tmp_path / "results"
    keep(root, SPEC, 0, memory={"total": 1 << 30, "resident peak": 7}, throughput=SPEED)
    large = SPEC.model_copy(update={"batch_size": 64})
    keep(root, large, 1, status="oom", cause="OutOfMemoryError: CUDA out of memory")
    trained = SPEC.model_copy(update={"mode": "noprofile", "gpu_profile": "A100D-2-20C"})
    keep(root, trained, 2, accuracy={"box AP": 40.25, "box AP50": 61.0, "mask AP": None})
    return root


def listed(root: Path, *arguments: str) -> Ran:
    return detbench("results", "--results", root, *arguments)


def rows(root: Path, *arguments: str) -> list[dict[str, object]]:
    return listed(root, *arguments, "--json").rows()


def test_runs_are_listed_oldest_first_and_what_was_not_measured_is_not_zero(root: Path) -> None:
    first, second, third = (line.split() for line in listed(root).out.splitlines()[-3:])
    assert first[1:7] == ["4", "memory", "cpu", "ok", "n/a", "n/a"]  # its speed means nothing
    assert second[4] == "oom"
    assert third[3:8] == ["A100D-2-20C", "ok", "n/a", "40.25", "2026-11-24T12:02:00"]
    assert "mask AP" not in listed(root).out  # nobody measured one


@pytest.mark.parametrize(
    ("filters", "batch_sizes"),
    [
        (("--status", "oom"), [64]),
        (("--mode", "memory"), [4, 64]),
        (("--mode", "memory,noprofile", "--status", "ok"), [4, 4]),
        (("--gpu-profile", "A100D-2-20C"), [4]),
        (("--model", "mask_rcnn_R_50_FPN_1x"), []),
        (("--family", "maskrcnn", "--mode", "noprofile"), [4]),
    ],
)
def test_filters(root: Path, filters: tuple[str, ...], batch_sizes: list[int]) -> None:
    assert [row["batch_size"] for row in rows(root, *filters)] == batch_sizes


def test_programs_get_every_column_under_its_documented_name(root: Path) -> None:
    first, second, third = rows(root)
    assert set(first) >= {column.name for column in RUNS.columns}
    documented = (ROOT / "docs/formats.md").read_text()
    assert [c.name for c in RUNS.columns if f"`{c.name}`" not in documented] == []
    assert first["images_per_second"] is None
    assert first["speed"] == "n/a: the tracker follows every operator"
    assert first["data_wait_percent"] == 25
    assert (first["energy_joules"], first["joules_per_image"]) == (2500, 25)
    assert (first["energy_source"], third["energy_source"]) == ("energy counter", None)
    assert (first["memory_total_bytes"], first["memory_resident_peak_bytes"]) == (1 << 30, 7)
    assert first["command"] == "python 'a b'"
    assert (first["started"], first["ended"]) == ("2026-11-24T12:00:00", "2026-11-24T12:01:00")
    assert second["cause"] == "OutOfMemoryError: CUDA out of memory"
    assert (third["box_ap"], third["box_ap50"], third["mask_ap"]) == (40.25, 61.0, None)


def test_an_export_is_a_new_file(root: Path, tmp_path: Path) -> None:
    import duckdb

    target = tmp_path / "runs.parquet"
    assert listed(root, "--format", "parquet", "--output", str(target)).code == 0
    read = duckdb.connect().read_parquet(str(target))
    assert read.aggregate("count(*), sum(memory_total_bytes), max(started)").fetchall() == [
        (3, 1 << 30, datetime(2026, 11, 24, 12, 2))
    ]
    asked = tmp_path / "asked.parquet"
    sql = "select count(*) as n from runs"
    assert listed(root, "--sql", sql, "--format", "parquet", "--output", str(asked)).code == 0
    assert duckdb.connect().read_parquet(str(asked)).fetchall() == [(3,)]
    before = target.read_bytes()
    listed(root, "--format", "parquet", "--output", str(target)).refused(2, "File exists")
    listed(root, "--format", "csv", "--output", str(target)).refused(2, "File exists")
    assert target.read_bytes() == before
    listed(root, "--format", "parquet").refused(2, "--output FILE")


def test_sql(root: Path) -> None:
    asked = "select batch_size, count(*) as runs from runs group by batch_size order by 1"
    assert rows(root, "--sql", asked) == [
        {"batch_size": 4, "runs": 2},
        {"batch_size": 64, "runs": 1},
    ]
    assert "64" in listed(root, "--sql", "select max(batch_size) from runs").out
    assert rows(root, "--status", "oom", "--sql", "select count(*) as n from runs") == [{"n": 1}]
    kinds = "select [1, 2] as list, {'a': 1} as struct, 1 as one, 2 as one, null as nothing"
    assert "[1 2]" in listed(root, "--sql", kinds).out
    odd = "select 1 as file, null as started, ended - started as took, ended from runs limit 1"
    assert "2026-11-24T12:01:00" in listed(root, "--sql", odd).out
    assert rows(root, "--sql", odd) == [
        {"file": 1, "started": None, "took": "0 days 00:01:00", "ended": "2026-11-24T12:01:00"}
    ]
    zoned = "select timestamptz '2026-01-01 09:00:00+09' as at, uuid() as u, 'a'::blob as b"
    assert rows(root, "--sql", zoned)[0]["at"] == "2026-01-01T00:00:00"
    assert rows(root, "--sql", "describe runs")[0]["column_name"] == "run"


def test_the_documented_query(root: Path) -> None:
    (sql,) = re.findall(r'--sql "(.+?)"$', (ROOT / "docs/formats.md").read_text(), re.M | re.S)
    (row,) = rows(root, "--sql", sql)
    assert (row["batch_size"], row["runs"], row["speed"]) == (4, 1, None)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select * from read_csv('SECRET')", "file system operations are disabled"),
        ("select * from 'SECRET'", "disabled by configuration"),
        ("select content from read_text('SECRET')", "file system operations are disabled"),
        ("copy runs to 'SECRET.csv'", "one SELECT"),
        ("attach 'SECRET.db'", "one SELECT"),
        ("install httpfs", "one SELECT"),
        ("set enable_external_access = true", "one SELECT"),
        ("drop table runs", "one SELECT"),
        ("select 1; select 2", "one SELECT"),
        ("", "one SELECT"),
        ("selct 1", "syntax error"),
        ("select images from runs", "images"),
        ("select * from table_", "table_"),  # no Python variable is one
    ],
)
def test_sql_touches_nothing_but_the_runs(root: Path, sql: str, words: str) -> None:
    secret = root / "secret.csv"
    secret.write_text("a\n1\n")
    listed(root, "--sql", sql.replace("SECRET", str(secret))).refused(2, words)
    assert {p.name for p in root.iterdir()} == {"cpu", "A100D-2-20C", "secret.csv"}


def test_one_run_is_shown_with_all_it_has(root: Path) -> None:
    name = "mask_rcnn_R_18_FPN_tiny_bs64_memory_20261124T120100Z"
    shown = listed(root, "--show", name).out
    for words in ("OutOfMemoryError: CUDA out of memory", "python 'a b'", FILE, "sha256", "oom"):
        assert words in shown
    assert listed(root, "--show", str(root / "cpu" / name)).out == shown
    told = json.loads(listed(root, "--show", name, "--json").out)
    assert told["run"][0]["batch_size"] == 64
    assert FILE in told["measurements"][0]["measurement"]
    assert told["environment"] == []
    listed(root, "--show", "nope").refused(2, "has no run 'nope'")
    listed(root, "--show", name, "--verify").refused(2, "--show, --sql and --verify")
    copied = root / "elsewhere" / name
    shutil.copytree(root / "cpu" / name, copied)
    listed(root, "--show", name).refused(2, "2 runs are named")


def test_verify_finds_what_has_changed_since_its_run(root: Path) -> None:
    # Three records and a measurement of each.
    assert "6 files are unchanged since their runs" in listed(root, "--verify").out
    assert rows(root, "--verify") == []
    changed, gone, cut = sorted(root.glob(f"*/*/{FILE}"))
    changed.write_text("RUN 2")  # as long as it was
    cut.write_text("run")
    gone.unlink()
    damaged = listed(root, "--verify", "--json")
    assert [(row["file"], row["problem"]) for row in json.loads(damaged.out)] == [
        (str(changed), "its content has changed since its run"),
        (str(gone), "it cannot be read: No such file or directory"),
        (str(cut), "it has 3 bytes, not the 5 that its run wrote"),
    ]
    assert damaged.code == 5
    assert str(changed) in damaged.err
    assert "(3 files)" in damaged.err


def test_verify_goes_on_after_a_record_that_cannot_be_read(root: Path) -> None:
    record = next(root.glob("cpu/*/run.json"))
    record.write_text("{")
    next(root.glob(f"A100D-2-20C/*/{FILE}")).unlink()
    found = listed(root, "--verify")
    assert "not a run record" in found.out
    assert "No such file" in found.out
    found.refused_with_table(5, "(2 files)")


def test_without_runs_there_is_an_empty_table_and_a_note(tmp_path: Path) -> None:
    done = listed(tmp_path, "--json")
    assert (done.code, done.rows(), done.err) == (0, [], f"{tmp_path} holds no run\n")
    assert listed(tmp_path).code == 0
    assert rows(tmp_path, "--sql", "select count(*) as n, max(started) as t from runs") == [
        {"n": 0, "t": None}
    ]


def test_the_first_records_of_version_1_still_load(tmp_path: Path) -> None:
    """Written by the first detbench that wrote any; only its paths are shortened."""
    folder = tmp_path / "cpu" / "a_run"
    folder.mkdir(parents=True)
    shutil.copy(FIRST, folder / "run.json")
    (row,) = rows(tmp_path)
    assert row["images_per_second"] == 5.116429274298338
    assert (row["processes"], row["mode"], row["window"]) == (1, "noprofile", "[2, 6)")
    # It is the same spec as today's, though that has more fields: --resume skips it.
    old = json.loads(FIRST.read_text())
    spec = RunSpec(**{**old["spec"], "nodes": {"count": 1}, "deterministic": False})
    assert spec.digest() != old["spec_sha256"]
    found = store.find_ok(tmp_path, spec)
    assert found is not None
    assert found[0] == folder


@pytest.mark.parametrize("version", [2, 99])
def test_a_record_of_a_newer_detbench_is_refused(root: Path, version: int) -> None:
    path = next(root.glob("cpu/*/run.json"))
    path.write_text(path.read_text().replace('"schema_version": 1', f'"schema_version": {version}'))
    listed(root).refused(
        5, f"run.json, schema_version {version}: written by a newer detbench", "update detbench"
    )


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"schema_version": "1"}', "\x00"])
def test_what_is_no_record_is_refused(root: Path, content: str) -> None:
    next(root.glob("cpu/*/run.json")).write_text(content)
    listed(root).refused(5, "run.json", "not a run record")


def test_every_older_version_has_its_way_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(record_versions.UPGRADES) == set(range(1, spec.SCHEMA_VERSION))
    # A version 2 that calls `status` something else, and one way up to it.
    monkeypatch.setattr(spec, "SCHEMA_VERSION", 2)
    renamed = {1: lambda old: {"ended_as" if k == "status" else k: v for k, v in old.items()}}
    monkeypatch.setattr(record_versions, "UPGRADES", renamed)
    path, old = Path("run.json"), json.loads(FIRST.read_text())
    assert record_versions.upgraded(path, old)["ended_as"] == "ok"
    with pytest.raises(BadFileError, match="versions up to 2"):
        record_versions.upgraded(path, {**old, "schema_version": 3})


def test_moments_of_any_zone_are_told_in_utc(root: Path) -> None:
    east = timezone(timedelta(hours=9))
    moment = datetime(2026, 11, 25, 9, tzinfo=east)
    keep(root, SPEC.model_copy(update={"seed": 3}), 3, started=moment, ended=moment)
    assert rows(root)[-1]["started"] == "2026-11-25T00:00:00"
