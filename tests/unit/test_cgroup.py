"""A limit on the memory of a local run: real control groups, real kills."""

import os
import sys
from pathlib import Path

import pytest

from detbench.errors import MissingError, UsageError
from detbench.launch import cgroup
from detbench.launch.base import Exit
from detbench.launch.local import LocalLauncher
from detbench.sizes import bytes_of, size_name
from tests.needed import memory_limits

MIB = 1 << 20


@pytest.mark.parametrize(
    ("text", "size"),
    [("900m", 900 * MIB), ("1.5G", 1536 * MIB), ("2048", 2048), ("64k", 65536), ("7b", 7)],
)
def test_sizes_are_read_as_docker_reads_them(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["900x", "-1g", "0", "g", "1 g", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not an amount of memory"):
        bytes_of(text)


def test_sizes_are_named_in_their_largest_whole_unit() -> None:
    assert [size_name(n * MIB) for n in (900, 1024, 1536)] == ["900MiB", "1GiB", "1536MiB"]
    assert size_name(1000) == "1000B"


def run(code: str, folder: Path, memory: int = 200 * MIB) -> Exit:
    memory_limits()
    return LocalLauncher(memory=memory).run(
        [sys.executable, "-c", code],
        log=folder / "log",
        environment={},
        on_event=lambda _: None,
        time_limit=60,
    )


def groups_left() -> list[Path]:
    place, _ = cgroup._hierarchy()
    return list(place.glob(f"detbench-{os.getpid()}-*"))


def test_a_process_that_exceeds_its_limit_is_killed_and_counted(tmp_path: Path) -> None:
    ended = run("bytearray(400 << 20)", tmp_path)
    assert ended == Exit(-9, "itself", 1)
    assert groups_left() == []


def test_a_process_within_its_limit_ends_well(tmp_path: Path) -> None:
    assert run("bytearray(20 << 20)", tmp_path) == Exit(0, "itself", 0)


def test_the_limit_is_on_all_of_its_processes_together(tmp_path: Path) -> None:
    half = "import sys; held = bytearray(150 << 20); print(flush=True); sys.stdin.read()"
    code = (
        "import subprocess, sys;"
        f"start = lambda: subprocess.Popen([sys.executable, '-c', {half!r}],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE);"
        "both = [start(), start()]; [one.stdout.readline() for one in both];"
        "[one.stdin.close() for one in both]; print(sorted(one.wait() for one in both))"
    )
    ended = run(code, tmp_path)
    assert ended.oom_kills == 1
    assert (tmp_path / "log").read_text() == "[-9, 0]\n"
    assert groups_left() == []


def test_too_little_for_any_program_is_refused(tmp_path: Path) -> None:
    run("", tmp_path)  # skips where no group can be made at all
    with pytest.raises(MissingError, match=r"limited to 4KiB here: .*--launcher docker"):
        cgroup.limited(4096).__enter__()
    assert groups_left() == []


def machine(monkeypatch: pytest.MonkeyPatch, folder: Path, own: str, mounts: str) -> None:
    (folder / "cgroup").write_text(own)
    (folder / "mountinfo").write_text(mounts.replace("@", str(folder)))
    monkeypatch.setattr(cgroup, "_OWN", folder / "cgroup")
    monkeypatch.setattr(cgroup, "_MOUNTS", folder / "mountinfo")


V1 = (
    "30 25 0:26 / @/unified rw,relatime - cgroup2 cgroup2 rw\n"
    "36 25 0:32 /docker/4f @/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
)
V2 = "30 25 0:26 / @/fs rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"


def test_a_group_of_version_1_is_a_child_of_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, tmp_path, "4:memory:/docker/4f/job\n0::/\n", V1)
    assert cgroup._hierarchy() == (tmp_path / "memory/job", 1)


def test_a_group_of_version_2_stands_beside_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, tmp_path, "0::/user.slice/app.slice/run.scope\n", V2)
    slice_ = tmp_path / "fs/user.slice/app.slice"
    (slice_ / "run.scope").mkdir(parents=True)
    (slice_ / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (slice_ / "run.scope/cgroup.subtree_control").write_text("\n")
    assert cgroup._hierarchy() == (slice_, 2)
    (slice_ / "cgroup.subtree_control").write_text("pids\n")
    with pytest.raises(MissingError, match=r"no memory control group .* --launcher docker"):
        cgroup._hierarchy()
