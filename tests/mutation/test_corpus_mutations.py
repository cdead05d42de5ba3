"""Real files of others, cut and damaged: a table or a refusal, in no more time than is due."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from tests.conftest import CORPUS
from tests.mutation.outcome import parse

pytestmark = pytest.mark.corpus

_VERBS = {
    "ncu_csv": ("core-util",),
    "nsys": ("compute-util",),
    "nvprof": ("compute-util",),
    "kineto": ("compute-util",),
    "nvidia_smi": ("monitor-util",),
    "detectron2": ("throughput-util", "--batch-size", "4"),
    "memory": ("memory-util",),
}
FILES = [
    path.relative_to(CORPUS)
    for folder in _VERBS
    for path in sorted((CORPUS / folder).glob("*"))
    if path.stat().st_size < 3_000_000
]
_MUTATIONS = 24  # of a file of up to 100 kB; of a larger one less


@pytest.mark.parametrize("file", FILES, ids=str)
def test_damage_is_a_table_or_a_refusal(tmp_path: Path, file: Path) -> None:
    content = (CORPUS / file).read_bytes()
    is_gzip = content.startswith(b"\x1f\x8b")
    plain = gzip.decompress(content) if is_gzip else content
    verb, *options = _VERBS[file.parts[0]]
    path = tmp_path / f"mutated{file.suffix}"
    draw = random.Random(file.name)  # the same damage in every run
    for number in range(max(3, _MUTATIONS * 100_000 // max(100_000, len(plain)))):
        damaged = _MUTATE[number % len(_MUTATE)](plain, draw)
        if is_gzip and number % 2:
            damaged = gzip.compress(damaged, 1)
        path.write_bytes(damaged)
        parse(path, verb, *options, of=str(file))
    if is_gzip:
        path.write_bytes(content[: draw.randrange(len(content))])
        assert parse(path, verb, *options, of=str(file)) is None


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def _cut_at_a_line(content: bytes, draw: random.Random) -> bytes:
    return content[: content.find(b"\n", draw.randrange(len(content))) + 1]


def _flip(content: bytes, draw: random.Random) -> bytes:
    flipped = bytearray(content)
    for _ in range(draw.choice((1, 1, 5, 50))):
        flipped[draw.randrange(len(content))] = draw.randrange(256)
    return bytes(flipped)


def _lose_a_line(content: bytes, draw: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[draw.randrange(len(lines))]
    return b"".join(lines)


def _double_a_line(content: bytes, draw: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    index = draw.randrange(len(lines))
    return b"".join([*lines[:index], lines[index], *lines[index:]])


def _swap_lines(content: bytes, draw: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    a, b = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"".join(lines)


def _lose_a_piece(content: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(content))
    return content[:start] + content[start + draw.choice((1, 100, 4096)) :]


_MUTATE = (_cut, _flip, _lose_a_line, _double_a_line, _cut_at_a_line, _swap_lines, _lose_a_piece)
