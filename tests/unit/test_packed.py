"""Files that were compressed on their way are read as what they hold, whatever their name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import zlib
from pathlib import Path

import pytest

import detbench
from detbench.errors import BadFileError
from detbench.readers import packed, terminal
from detbench.readers.identity import identify
from detbench.readers.text import on_disk, open_bytes, open_text, read_head
from tests import builders
from tests.unit.in_process import detbench as run

PACKS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}
NOISE = random.Random(1).randbytes(300_000)  # does not pack, so that places can be told

of_each = pytest.mark.parametrize("pack", PACKS)


@of_each
@pytest.mark.parametrize("name", ["log", "log.txt", "log.gz", "log.csv.bz2"])
def test_every_way_to_open_a_file_unpacks_it(tmp_path: Path, pack: str, name: str) -> None:
    path = tmp_path / name
    content = b"one\ntwo\n"
    path.write_bytes(PACKS[pack](content))
    assert read_head(path, 3) == b"one"
    with open_bytes(path) as stream:
        assert stream.read() == content
    with open_text(path) as lines:
        assert list(lines) == ["one\n", "two\n"]
        lines.seek(0)
        assert lines.readline() == "one\n"
    with on_disk(path) as file:
        assert file.read_bytes() == content
    assert not file.exists()


def test_a_plain_file_is_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_bytes(b"plain")
    with on_disk(path) as file:
        assert file == path


@pytest.mark.parametrize("pack", PACKS)
def test_all_verbs_read_it(tmp_path: Path, pack: str) -> None:
    files = {
        "compute-util": builders.NVPROF_TRACE_TEXT,
        "core-util": builders.NCU_WIDE,
        "memory-util": builders.MEMORY,
        "monitor-util": builders.DMON,
        "throughput-util": builders.DETECTRON2_LOG,
    }
    for verb, content in files.items():
        plain, path = tmp_path / "plain", tmp_path / "packed"
        plain.write_text(content)
        path.write_bytes(PACKS[pack](content.encode()))
        told = [run(verb, file, "--format", "json").out for file in (plain, path)]
        assert told[0].replace(str(plain), str(path)) == told[1] != ""
        assert detbench.read(path).source.tool


def test_members_that_were_joined_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "joined.gz"
    path.write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    with open_text(path) as lines:
        assert list(lines) == ["one\n", "two\n"]


def damaged(kind: str) -> bytes:
    whole = gzip.compress(NOISE)
    match kind:
        case "cut":
            return whole[:-100_000]
        case "checksum":
            return whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:]
        case "size":
            return whole[:-1] + bytes([whole[-1] ^ 1])
        case "behind it":
            return whole + b"and more"
    raise AssertionError(kind)


@pytest.mark.parametrize("kind", ["cut", "checksum", "size", "behind it"])
def test_damage_is_refused_with_its_place(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "damaged.gz"
    path.write_bytes(damaged(kind))
    words = r"behind byte [1-9][\d,]+ of what it holds: the gzip data is damaged"
    with pytest.raises(BadFileError, match=words), open_bytes(path) as stream:
        stream.read()


def test_damage_behind_what_is_read_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "damaged.gz"
    path.write_bytes(damaged("checksum"))
    with pytest.raises(BadFileError, match="the gzip data is damaged"), open_bytes(path) as stream:
        assert stream.read(10) == NOISE[:10]


def test_a_file_that_was_packed_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.gz"
    path.write_bytes(gzip.compress(bz2.compress(b"content")))
    with pytest.raises(BadFileError, match="bzip2 inside of gzip: it was packed twice"):
        read_head(path, 1)


def bomb(content: bytes, times: int) -> bytes:
    """A gzip file of `content`, so many times over, made without holding it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(content) for _ in range(times)) + packer.flush()


def test_a_small_file_cannot_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "_FREE", 1 << 22)
    path = tmp_path / "bomb.gz"
    path.write_bytes(bomb(b"0\n" * (1 << 19), 16))
    for verb in ("compute-util", "core-util", "memory-util", "monitor-util", "throughput-util"):
        run(verb, path).refused(5, str(path))
    run("throughput-util", path).refused(5, "it unpacks to more than 4 MiB, far more than its size")


def test_a_line_that_no_log_has_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "_LONGEST", 1 << 20)
    path = tmp_path / "line.gz"
    path.write_bytes(bomb(b"0" * (1 << 20), 4))
    run("throughput-util", path).refused(5, "byte 0: a line of more than 64 MiB")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_text_has_no_colours(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "log.txt"
    # Sequences at every place of a block of 128 kB, so that some lie across its end.
    text = "\x1b[1;32mword\x1b[0m\x1b[2K " * 20_000 + "\n"
    path.write_bytes(text.encode(encoding))
    with open_text(path) as lines:
        assert lines.read() == "word " * 20_000 + "\n"


def test_an_escape_that_begins_nothing_stays(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"a\x1bb\x1b[")
    with open_text(path) as lines:
        assert lines.read() == "a\x1bb\x1b["


def test_a_damaged_trace_in_one_long_line_is_refused_as_a_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "_LONGEST", 1 << 20)
    path = tmp_path / "trace.json"
    path.write_text(f'{{"displayTimeUnit": "{"m" * (1 << 21)}s", "traceEvents": [5')
    run("compute-util", path).refused(5, "not a trace of the PyTorch profiler")
    assert identify(path).tool == "PyTorch profiler (Kineto)"
